#include "inference/missing_values.h"

#include <algorithm>

namespace tercet {
namespace {

/// Messages about values that were not there; more than this many help nobody.
constexpr size_t kMissingListed = 1000;

}  // namespace

std::vector<std::string> MissingValues(const arrow::Schema& features, const VectorAnswer& answer) {
  std::vector<std::string> missing;
  size_t unlisted = 0;
  for (size_t f = 0; f < answer.status.size(); ++f) {
    for (size_t row = 0; row < answer.status[f].size(); ++row) {
      const RowStatus status = answer.status[f][row];
      if (status == RowStatus::kPresent) continue;
      if (missing.size() == kMissingListed) {
        ++unlisted;
        continue;
      }
      missing.push_back(features.field(static_cast<int>(f))->name() + ": " +
                        std::string(RowStatusName(status)) + " (row " + std::to_string(row) + ")");
    }
  }
  if (unlisted > 0) missing.push_back("and " + std::to_string(unlisted) + " more");
  return missing;
}

void AddMissingValues(const arrow::Schema& features, const std::vector<RowStatus>& status,
                std::vector<std::string>* missing) {
  for (size_t f = 0; f < status.size(); ++f) {
    if (status[f] == RowStatus::kPresent) continue;
    if (missing->size() == kMissingListed) {
      const auto unlisted = std::count_if(status.begin() + static_cast<int64_t>(f), status.end(),
                                          [](RowStatus s) { return s != RowStatus::kPresent; });
      missing->push_back("and " + std::to_string(unlisted) + " more");
      return;
    }
    missing->push_back(features.field(static_cast<int>(f))->name() + ": " +
                       std::string(RowStatusName(status[f])) + " (row 0)");
  }
}

}  // namespace tercet
