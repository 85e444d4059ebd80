#include "inference/missing_values.h"

#include <algorithm>

namespace tercet {
namespace {

/// Messages about values that were not there; more than this many help nobody.
constexpr size_t kMissingListed = 1000;

/// `status_of(feature, row)`: of `rows` rows.
template <typename StatusOf>
void AddMissing(const arrow::Schema& features, size_t rows, const StatusOf& status_of,
                std::vector<std::string>* missing) {
  size_t unlisted = 0;
  for (int f = 0; f < features.num_fields(); ++f) {
    for (size_t row = 0; row < rows; ++row) {
      const RowStatus status = status_of(static_cast<size_t>(f), row);
      if (status == RowStatus::kPresent) continue;
      if (missing->size() == kMissingListed) {
        ++unlisted;
        continue;
      }
      missing->push_back(features.field(f)->name() + ": " + std::string(RowStatusName(status)) +
                         " (row " + std::to_string(row) + ")");
    }
  }
  if (unlisted > 0) missing->push_back("and " + std::to_string(unlisted) + " more");
}

}  // namespace

std::vector<std::string> MissingValues(const arrow::Schema& features, const VectorAnswer& answer) {
  std::vector<std::string> missing;
  const auto status_of = [&](size_t f, size_t row) { return answer.status[f][row]; };
  AddMissing(features, answer.status.empty() ? 0 : answer.status[0].size(), status_of, &missing);
  return missing;
}

void AddMissingValues(const arrow::Schema& features, const std::vector<RowStatus>& status,
                      std::vector<std::string>* missing) {
  const auto present = [](RowStatus one) { return one == RowStatus::kPresent; };
  if (std::all_of(status.begin(), status.end(), present)) return;
  const auto width = static_cast<size_t>(features.num_fields());
  const auto status_of = [&](size_t f, size_t row) { return status[row * width + f]; };
  AddMissing(features, status.size() / width, status_of, missing);
}

}  // namespace tercet
