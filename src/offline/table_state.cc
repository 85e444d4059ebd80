#include "offline/table_state.h"

#include <algorithm>
#include <array>
#include <set>

#include <arrow/scalar.h>

#include "base/name.h"
#include "offline/column_defaults.h"
#include "offline/position_columns.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

constexpr std::array<std::string_view, 8> kReaderFeatures = {
    "deletionVectors",     "timestampNtz", "columnMapping",        "v2Checkpoint",
    "vacuumProtocolCheck", "typeWidening", "typeWidening-preview", "appendOnly"};
constexpr std::array<std::string_view, 10> kWriterFeatures = {
    "appendOnly",      "invariants",    "changeDataFeed",  "deletionVectors",  "timestampNtz",
    "columnMapping",   "checkConstraints", "generatedColumns", "identityColumns",
    "vacuumProtocolCheck"};

/// Whether a struct in a column has a member that may not be null, which we can't promise.
bool HasRequiredMember(const arrow::DataType& type) {
  if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    return HasRequiredMember(*map.key_type()) || HasRequiredMember(*map.item_type());
  }
  return std::any_of(type.fields().begin(), type.fields().end(), [&](const auto& field) {
    const bool member = type.id() == arrow::Type::STRUCT;
    return (member && !field->nullable()) || HasRequiredMember(*field->type());
  });
}

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
  Result<TableColumns> columns = ColumnsOf(state->metadata);
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

Status CheckReadable(const Protocol& protocol) {
  if (protocol.min_reader_version < 1 || protocol.min_reader_version > 3) {
    return Status::NotImplemented("cannot read this table: it needs a reader of Delta version ",
                                  protocol.min_reader_version, "; known are 1 to 3");
  }
  return CheckFeatures(protocol.reader_features, kReaderFeatures, "read");
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
  if (state.columns.mapping != ColumnMapping::kNone) {
    return Status::NotImplemented("cannot write to this table: it uses column mapping, with which ",
                                  "it is only read; take that away first (in Spark SQL: ALTER ",
                                  "TABLE delta.`…` SET TBLPROPERTIES ('delta.columnMapping.mode' ",
                                  "= 'none'))");
  }
  for (const auto& field : state.columns.logical->fields()) {
    if (HasRequiredMember(*field->type())) {
      return Status::NotImplemented("cannot write to this table: a member of column '",
                                    field->name(), "' is declared not null");
    }
    if (StoredType(*field->type()).ok()) continue;
    return Status::NotImplemented("cannot write to this table: column '", field->name(),
                                  "' is of type ", field->type()->ToString(),
                                  ", which is only read");
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
