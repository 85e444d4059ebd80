#include "offline/table_state.h"

#include <arrow/scalar.h>

#include "base/name.h"
#include "offline/column_defaults.h"
#include "offline/position_columns.h"
#include "offline/protocol_features.h"

namespace tercet {
namespace {

Status ReadOptions(const Metadata& metadata, const TableOptions& given, TableOptions* options) {
  *options = given;
  const auto layout = metadata.configuration.find(std::string(kLayoutProperty));
  if (layout == metadata.configuration.end()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(layout->second));
  ARROW_ASSIGN_OR_RAISE(options->primary_key, FindStrings(object, "primary_key"));
  ARROW_ASSIGN_OR_RAISE(const auto event_time, FindString(object, "event_time"));
  options->event_time = event_time.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto vectors, FindBool(object, "deletion_vectors"));
  const auto switched = metadata.configuration.find("delta.enableDeletionVectors");
  options->deletion_vectors = vectors.value_or(true) &&
                              (switched == metadata.configuration.end() ||
                               switched->second != "false");
  return Status::OK();
}

}  // namespace

const std::string* TableState::Property(std::string_view name) const {
  const auto found = metadata.configuration.find(std::string(name));
  return found == metadata.configuration.end() ? nullptr : &found->second;
}

bool TableState::BooleanProperty(std::string_view name) const {
  const std::string* value = Property(name);
  return value != nullptr && *value == "true";
}

Status ApplyMetadata(const Metadata& metadata, const TableOptions& given, TableState* state) {
  ARROW_RETURN_NOT_OK(ReadOptions(metadata, given, &state->options));
  state->metadata = metadata;
  state->columns = {};
  return Status::OK();
}

Status SettleState(TableState* state) {
  if (state->protocol.min_reader_version == 0 || state->metadata.schema_string.empty()) {
    return Status::IOError("the log has no ",
                           state->protocol.min_reader_version == 0 ? "protocol"
                                                                   : "metadata with a schema",
                           " up to commit ", state->version, ", so it is no table's");
  }
  ARROW_RETURN_NOT_OK(CheckReadable(state->protocol));
  if (state->columns.logical != nullptr) return Status::OK();
  Metadata metadata = state->metadata;
  if (!Supports(state->protocol, "columnMapping")) {
    metadata.configuration.erase(std::string(kMappingModeProperty));  // says nothing then
  }
  Result<TableColumns> columns = ColumnsOf(metadata);
  if (!columns.ok()) {
    if (columns.status().IsNotImplemented()) return columns.status();
    return Status::IOError("the schema as of commit ", state->version,
                           " can't be read: ", columns.status().message());
  }
  ARROW_ASSIGN_OR_RAISE(state->defaults, DefaultsOf(state->metadata, *columns->logical));
  for (const std::string& name : columns->added_elsewhere) {
    const auto field = columns->logical->GetFieldByName(name);
    if (field->nullable()) {
      state->defaults.try_emplace(name, arrow::MakeNullScalar(field->type()));
    }
  }
  for (const std::string& key : PositionColumns(state->options)) {
    if (columns->logical->GetFieldIndex(key) >= 0) continue;
    return Status::Invalid("the table has no column '", key, "' as of commit ", state->version,
                           ", which its key names", Suggest(key, columns->logical->field_names()));
  }
  state->columns = *std::move(columns);
  return Status::OK();
}

Status ApplyCommit(const std::vector<Action>& actions, int64_t version, const TableOptions& given,
                   TableState* state) {
  for (const Action& action : actions) {
    if (const auto* protocol = std::get_if<Protocol>(&action)) state->protocol = *protocol;
    if (const auto* metadata = std::get_if<Metadata>(&action)) {
      ARROW_RETURN_NOT_OK(ApplyMetadata(*metadata, given, state));
    }
    if (const auto* transaction = std::get_if<Transaction>(&action)) {
      state->transactions[transaction->app_id] = *transaction;
    }
    if (const auto* domain = std::get_if<DomainMetadata>(&action)) {
      if (domain->removed) {
        state->domains.erase(domain->domain);
      } else {
        state->domains[domain->domain] = domain->configuration;
      }
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action)) {
      state->files.Erase(remove->path, remove->vector);
      state->tombstones[remove->Key()] = *remove;
    }
  }
  int64_t position = 0;
  for (const Action& action : actions) {
    const auto* add = std::get_if<AddFile>(&action);
    if (add == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(DataFilePtr file,
                          MakeDataFile(*add, state->options, version, position++));
    state->files.Put(std::move(file));
    if (!state->tombstones.empty()) state->tombstones.erase(add->Key());
  }
  state->version = version;
  return Status::OK();
}

namespace {

constexpr int64_t kMaxMs = INT64_MAX / 1000;
/// Ours, too, are far enough from the ends that one can go on counting from them.
constexpr int64_t kMostUs = INT64_MAX / 2;

/// A member that is a time in milliseconds, in microseconds.
std::optional<int64_t> TimeOf(const json::object& info, std::string_view name) {
  const auto time_ms = FindInt(info, name);
  if (!time_ms.ok() || !*time_ms || **time_ms <= 0 || **time_ms >= kMaxMs) return std::nullopt;
  return **time_ms * 1000;
}

}  // namespace

bool IsOurCommit(const json::object& commit_info) {
  const json::value* ours = commit_info.if_contains("tercet");
  if (ours == nullptr || !ours->is_object()) return false;
  const auto time = FindInt(ours->as_object(), "commit_time_us");
  return time.ok() && *time && **time > -kMostUs && **time < kMostUs;
}

bool HasExactTime(const json::object& commit_info) {
  return IsOurCommit(commit_info) || TimeOf(commit_info, "inCommitTimestamp");
}

int64_t CommitTimeOf(const json::object& commit_info, int64_t modified_us) {
  if (IsOurCommit(commit_info)) {
    return FindInt(commit_info.at("tercet").as_object(), "commit_time_us")->value();
  }
  if (const auto in_commit = TimeOf(commit_info, "inCommitTimestamp")) return *in_commit;
  return TimeOf(commit_info, "timestamp").value_or(modified_us);
}

}  // namespace tercet
