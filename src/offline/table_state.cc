#include "offline/table_state.h"

#include <algorithm>
#include <array>
#include <set>

#include "offline/column_defaults.h"

namespace tercet {
namespace {

constexpr std::array<std::string_view, 5> kReaderFeatures = {
    "deletionVectors", "timestampNtz", "columnMapping", "vacuumProtocolCheck", "appendOnly"};
constexpr std::array<std::string_view, 10> kWriterFeatures = {
    "appendOnly",      "invariants",    "changeDataFeed",  "deletionVectors",  "timestampNtz",
    "columnMapping",   "checkConstraints", "generatedColumns", "identityColumns",
    "vacuumProtocolCheck"};

template <size_t n>
Status CheckFeatures(const std::optional<std::vector<std::string>>& features,
                     const std::array<std::string_view, n>& known, std::string_view verb) {
  if (!features) return Status::OK();
  for (const std::string& feature : *features) {
    if (std::find(known.begin(), known.end(), feature) == known.end()) {
      return Status::NotImplemented("cannot ", verb, " this table: it uses the Delta feature '",
                                    feature, "', which is not supported");
    }
  }
  return Status::OK();
}

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
  ARROW_ASSIGN_OR_RAISE(state->columns, ColumnsOf(metadata));
  ARROW_RETURN_NOT_OK(ReadOptions(metadata, given, &state->options));
  ARROW_ASSIGN_OR_RAISE(state->defaults, DefaultsOf(metadata, *state->columns.logical));
  std::vector<std::string> keys = state->options.primary_key;
  if (!state->options.event_time.empty()) keys.push_back(state->options.event_time);
  for (const std::string& key : keys) {
    if (state->columns.logical->GetFieldIndex(key) < 0) {
      return Status::Invalid("the table has no column '", key, "', which its key names");
    }
  }
  state->metadata = metadata;
  return Status::OK();
}

Status ApplyCommit(const std::vector<Action>& actions, int64_t version, const TableOptions& given,
                   TableState* state) {
  for (const Action& action : actions) {
    if (const auto* protocol = std::get_if<Protocol>(&action)) state->protocol = *protocol;
    if (const auto* metadata = std::get_if<Metadata>(&action)) {
      ARROW_RETURN_NOT_OK(CheckReadable(state->protocol, *metadata));
      ARROW_RETURN_NOT_OK(ApplyMetadata(*metadata, given, state));
    }
    if (const auto* transaction = std::get_if<Transaction>(&action)) {
      state->transactions[transaction->app_id] = *transaction;
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action)) {
      state->files.Erase(remove->path, remove->vector);
      state->tombstones[remove->Key()] = *remove;
    }
  }
  ARROW_RETURN_NOT_OK(CheckReadable(state->protocol, state->metadata));
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

Status CheckReadable(const Protocol& protocol, const Metadata& metadata) {
  if (protocol.min_reader_version < 1 || protocol.min_reader_version > 3) {
    return Status::NotImplemented("cannot read this table: it needs a reader of Delta version ",
                                  protocol.min_reader_version, "; known are 1 to 3");
  }
  ARROW_RETURN_NOT_OK(CheckFeatures(protocol.reader_features, kReaderFeatures, "read"));
  const auto mapping = metadata.configuration.find("delta.columnMapping.mode");
  if (mapping != metadata.configuration.end() && mapping->second != "none") {
    return Status::NotImplemented("cannot read this table: it uses column mapping by ",
                                  mapping->second, ", which is not supported");
  }
  return Status::OK();
}

Status CheckWritable(const TableState& state) {
  const Protocol& protocol = state.protocol;
  if (protocol.min_writer_version < 1 || protocol.min_writer_version > 7) {
    return Status::NotImplemented("cannot write to this table: it needs a writer of Delta version ",
                                  protocol.min_writer_version, "; known are 1 to 7");
  }
  ARROW_RETURN_NOT_OK(CheckFeatures(protocol.writer_features, kWriterFeatures, "write to"));
  if (!state.columns.partition_columns.empty()) {
    return Status::NotImplemented("cannot write to this table: it is partitioned by '",
                                  state.columns.partition_columns[0], "'");
  }
  for (const auto& [name, value] : state.metadata.configuration) {
    if (name.starts_with("delta.constraints.")) {
      return Status::NotImplemented("cannot write to this table: it has the check constraint '",
                                    name.substr(18), "'");
    }
    if ((name == "delta.enableRowTracking" || name == "delta.enableInCommitTimestamps") &&
        value == "true") {
      return Status::NotImplemented("cannot write to this table: ", name, " is on");
    }
  }
  for (std::string_view key : {"delta.generationExpression", "delta.identity.start",
                               "delta.invariants", "delta.typeChanges"}) {
    if (state.metadata.schema_string.find("\"" + std::string(key) + "\"") != std::string::npos) {
      return Status::NotImplemented("cannot write to this table: a column has ", key);
    }
  }
  return Status::OK();
}

bool HasExactTime(const json::object& commit_info) {
  const json::value* ours = commit_info.if_contains("tercet");
  if (ours == nullptr || !ours->is_object()) return false;
  const auto time = FindInt(ours->as_object(), "commit_time_us");
  return time.ok() && time->has_value();
}

int64_t CommitTimeOf(const json::object& commit_info, int64_t modified_us) {
  if (HasExactTime(commit_info)) {
    return FindInt(commit_info.at("tercet").as_object(), "commit_time_us")->value();
  }
  const auto time_ms = FindInt(commit_info, "timestamp");
  constexpr int64_t kMaxMs = INT64_MAX / 1000;
  if (time_ms.ok() && *time_ms && **time_ms > 0 && **time_ms < kMaxMs) return **time_ms * 1000;
  return modified_us;
}

}  // namespace tercet
