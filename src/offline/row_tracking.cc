#include "offline/row_tracking.h"

#include <algorithm>

#include "offline/protocol_features.h"

namespace tercet {
namespace {

constexpr std::string_view kDomain = "delta.rowTracking";
constexpr std::string_view kHighest = "rowIdHighWaterMark";

/// The highest id that was given; −1 when none was.
Result<int64_t> HighestRowId(const TableState& state) {
  const auto domain = state.domains.find(std::string(kDomain));
  if (domain == state.domains.end()) return -1;
  const Result<json::object> configuration = ParseJsonObject(domain->second);
  const Result<int64_t> highest =
      configuration.ok() ? GetInt(*configuration, kHighest) : configuration.status();
  if (highest.ok()) return highest;
  return Explain(highest.status(), "the table's metadata domain '" + std::string(kDomain) + "'");
}

}  // namespace

bool TracksRows(const TableState& state) {
  return Supports(state.protocol, "rowTracking") &&
         !state.BooleanProperty("delta.rowTrackingSuspended");
}

Status AssignRowIds(const TableState& state, int64_t version, std::vector<Action>* actions) {
  ARROW_ASSIGN_OR_RAISE(const int64_t before, HighestRowId(state));
  int64_t highest = before;
  for (Action& action : *actions) {
    auto* add = std::get_if<AddFile>(&action);
    if (add == nullptr || add->row_ids.base) continue;
    const std::optional<int64_t> rows = RecordCountOf(add->stats);
    if (!rows || *rows < 0 || *rows > INT64_MAX - 1 - highest) {
      return Status::Invalid("cannot give ids to the rows of '", add->path,
                             "': its statistics do not say how many it has");
    }
    add->row_ids = {.base = highest + 1, .commit_version = version};
    highest += *rows;
  }
  if (highest > before) {
    actions->emplace_back(DomainMetadata{
        .domain = std::string(kDomain),
        .configuration = ToText(json::object{{kHighest, highest}})});
  }
  return Status::OK();
}

bool RowsKeepIds(const std::vector<Action>& actions) {
  return std::none_of(actions.begin(), actions.end(), [](const Action& action) {
    return std::holds_alternative<RemoveFile>(action);
  });
}

}  // namespace tercet
