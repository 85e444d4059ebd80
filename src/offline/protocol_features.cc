#include "offline/protocol_features.h"

#include <algorithm>
#include <array>

#include "offline/position_columns.h"
#include "offline/schema_text.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

constexpr std::array<std::string_view, 8> kReaderFeatures = {
    "deletionVectors",     "timestampNtz", "columnMapping",        "v2Checkpoint",
    "vacuumProtocolCheck", "typeWidening", "typeWidening-preview", "appendOnly"};
/// Some of these are only a promise that a table may use them; CheckWritable looks whether it does.
constexpr std::array<std::string_view, 19> kWriterFeatures = {
    "appendOnly",       "invariants",           "changeDataFeed",      "deletionVectors",
    "timestampNtz",     "columnMapping",        "checkConstraints",    "generatedColumns",
    "identityColumns",  "vacuumProtocolCheck",  "allowColumnDefaults", "domainMetadata",
    "rowTracking",      "clustering",           "inCommitTimestamp",   "v2Checkpoint",
    "typeWidening",     "typeWidening-preview", "checkpointProtection"};

std::vector<std::string> LegacyWriterFeatures(int64_t version) {
  std::vector<std::string> features = {"appendOnly", "invariants"};
  if (version >= 3) features.push_back("checkConstraints");
  if (version >= 4) features.insert(features.end(), {"changeDataFeed", "generatedColumns"});
  if (version >= 5) features.push_back("columnMapping");
  if (version >= 6) features.push_back("identityColumns");
  return features;
}

bool IsAmong(const std::vector<std::string>& features, std::string_view feature) {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

void AddFeature(std::string_view feature, std::vector<std::string>* features) {
  if (!IsAmong(*features, feature)) features->emplace_back(feature);
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

/// Whether the schema's text has a member of this name anywhere.
bool Mentions(const Metadata& metadata, std::string_view key) {
  return metadata.schema_string.find("\"" + std::string(key) + "\"") != std::string::npos;
}

/// A file's tags say between which positions it lies, in bytes of the key's type.
Status CheckKeysAsTheyWere(const TableState& state) {
  constexpr std::string_view kTypeChanges = "delta.typeChanges";
  if (!Mentions(state.metadata, kTypeChanges)) return Status::OK();
  const std::vector<std::string> keys = PositionColumns(state.options);
  ARROW_ASSIGN_OR_RAISE(const json::object schema, ParseSchemaText(state.metadata.schema_string));
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(schema, "fields"));
  for (const json::value& field : fields) {
    ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field.as_object(), "name"));
    ARROW_ASSIGN_OR_RAISE(const json::object metadata, FindObject(field.as_object(), "metadata"));
    if (metadata.contains(kTypeChanges) && IsAmong(keys, name)) {
      return Status::NotImplemented("cannot write to this table: the type of its key column '",
                                    name, "' was changed");
    }
  }
  return Status::OK();
}

}  // namespace

bool Supports(const Protocol& protocol, std::string_view feature) {
  if (protocol.writer_features) return IsAmong(*protocol.writer_features, feature);
  return IsAmong(LegacyWriterFeatures(protocol.min_writer_version), feature);
}

std::optional<Protocol> WithFeature(const Protocol& before, std::string_view feature) {
  Protocol protocol = before;
  if (!protocol.writer_features) {
    protocol.writer_features = LegacyWriterFeatures(protocol.min_writer_version);
  }
  if (!protocol.reader_features) {
    protocol.reader_features.emplace();
    if (protocol.min_reader_version == 2) protocol.reader_features->push_back("columnMapping");
  }
  AddFeature(feature, &*protocol.reader_features);
  AddFeature(feature, &*protocol.writer_features);
  if (protocol.reader_features == before.reader_features &&
      protocol.writer_features == before.writer_features) {
    return std::nullopt;
  }
  protocol.min_reader_version = 3;
  protocol.min_writer_version = 7;
  return protocol;
}

bool HasCommitTimes(const TableState& state) {
  return Supports(state.protocol, "inCommitTimestamp") &&
         state.BooleanProperty("delta.enableInCommitTimestamps");
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
  }
  for (const std::string_view key : {"delta.generationExpression", "delta.identity.start",
                                     "delta.invariants", "CURRENT_DEFAULT"}) {
    if (Mentions(state.metadata, key)) {
      return Status::NotImplemented("cannot write to this table: a column has ", key);
    }
  }
  return CheckKeysAsTheyWere(state);
}

}  // namespace tercet
