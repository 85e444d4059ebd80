#include "offline/action.h"

#include <utility>

namespace tercet {
namespace {

Result<bool> BoolOr(const json::object& object, std::string_view key, bool fallback) {
  ARROW_ASSIGN_OR_RAISE(const auto value, FindBool(object, key));
  return value.value_or(fallback);
}

/// A JSON object of strings; nulls are left out.
Result<std::map<std::string, std::string>> FindTexts(const json::object& object,
                                                     std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::object members, FindObject(object, key));
  std::map<std::string, std::string> texts;
  for (const auto& member : members) {
    if (member.value().is_null()) continue;
    if (!member.value().is_string()) {
      return Status::Invalid("member '", key, "' must hold strings only");
    }
    texts.emplace(member.key(), member.value().as_string());
  }
  return texts;
}

Result<FileTags> FindTags(const json::object& object) {
  ARROW_ASSIGN_OR_RAISE(const auto texts, FindTexts(object, "tags"));
  FileTags tags;
  for (const auto& [name, text] : texts) tags.Append(name, text);
  return tags;
}

Result<PartitionValues> FindPartitionValues(const json::object& object) {
  ARROW_ASSIGN_OR_RAISE(const json::object members, FindObject(object, "partitionValues"));
  PartitionValues values;
  for (const auto& member : members) {
    if (member.value().is_null()) {
      values.emplace(member.key(), std::nullopt);
    } else if (member.value().is_string()) {
      values.emplace(member.key(), std::string(member.value().as_string()));
    } else {
      return Status::Invalid("partition value '", std::string_view(member.key()),
                             "' must be a string or null");
    }
  }
  return values;
}

Result<std::optional<VectorPointer>> FindVector(const json::object& object) {
  const json::value* found = object.if_contains("deletionVector");
  if (found == nullptr || found->is_null()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const json::object member, FindObject(object, "deletionVector"));
  VectorPointer vector;
  ARROW_ASSIGN_OR_RAISE(vector.storage_type, GetString(member, "storageType"));
  ARROW_ASSIGN_OR_RAISE(vector.path_or_inline, GetString(member, "pathOrInlineDv"));
  ARROW_ASSIGN_OR_RAISE(vector.offset, FindInt(member, "offset"));
  ARROW_ASSIGN_OR_RAISE(vector.size_bytes, GetInt(member, "sizeInBytes"));
  ARROW_ASSIGN_OR_RAISE(vector.cardinality, GetInt(member, "cardinality"));
  return vector;
}

Result<RowIds> FindRowIds(const json::object& object) {
  RowIds ids;
  ARROW_ASSIGN_OR_RAISE(ids.base, FindInt(object, "baseRowId"));
  ARROW_ASSIGN_OR_RAISE(ids.commit_version, FindInt(object, "defaultRowCommitVersion"));
  return ids;
}

Result<Action> ParseAdd(const json::object& object) {
  AddFile add;
  ARROW_ASSIGN_OR_RAISE(add.path, GetString(object, "path"));
  ARROW_ASSIGN_OR_RAISE(add.partition_values, FindPartitionValues(object));
  ARROW_ASSIGN_OR_RAISE(add.size_bytes, GetInt(object, "size"));
  ARROW_ASSIGN_OR_RAISE(const auto modified, FindInt(object, "modificationTime"));
  add.modification_time_ms = modified.value_or(0);
  ARROW_ASSIGN_OR_RAISE(add.data_change, BoolOr(object, "dataChange", true));
  ARROW_ASSIGN_OR_RAISE(auto stats, FindString(object, "stats"));
  add.stats = std::move(stats).value_or("");
  ARROW_ASSIGN_OR_RAISE(add.tags, FindTags(object));
  ARROW_ASSIGN_OR_RAISE(add.vector, FindVector(object));
  ARROW_ASSIGN_OR_RAISE(add.row_ids, FindRowIds(object));
  return add;
}

Result<Action> ParseRemove(const json::object& object) {
  RemoveFile remove;
  ARROW_ASSIGN_OR_RAISE(remove.path, GetString(object, "path"));
  ARROW_ASSIGN_OR_RAISE(remove.deletion_time_ms, FindInt(object, "deletionTimestamp"));
  ARROW_ASSIGN_OR_RAISE(remove.data_change, BoolOr(object, "dataChange", true));
  ARROW_ASSIGN_OR_RAISE(remove.partition_values, FindPartitionValues(object));
  ARROW_ASSIGN_OR_RAISE(remove.size_bytes, FindInt(object, "size"));
  ARROW_ASSIGN_OR_RAISE(remove.tags, FindTags(object));
  ARROW_ASSIGN_OR_RAISE(remove.vector, FindVector(object));
  ARROW_ASSIGN_OR_RAISE(remove.row_ids, FindRowIds(object));
  return remove;
}

Result<Action> ParseMetadata(const json::object& object) {
  Metadata metadata;
  ARROW_ASSIGN_OR_RAISE(metadata.id, GetString(object, "id"));
  ARROW_ASSIGN_OR_RAISE(metadata.name, FindString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(metadata.description, FindString(object, "description"));
  // A table that is only being set up has none yet; whoever reads the table needs it.
  ARROW_ASSIGN_OR_RAISE(const auto schema_string, FindString(object, "schemaString"));
  metadata.schema_string = schema_string.value_or("");
  ARROW_ASSIGN_OR_RAISE(metadata.partition_columns, FindStrings(object, "partitionColumns"));
  ARROW_ASSIGN_OR_RAISE(metadata.configuration, FindTexts(object, "configuration"));
  ARROW_ASSIGN_OR_RAISE(metadata.created_time_ms, FindInt(object, "createdTime"));
  return metadata;
}

Result<Action> ParseProtocol(const json::object& object) {
  Protocol protocol;
  ARROW_ASSIGN_OR_RAISE(protocol.min_reader_version, GetInt(object, "minReaderVersion"));
  ARROW_ASSIGN_OR_RAISE(protocol.min_writer_version, GetInt(object, "minWriterVersion"));
  if (object.contains("readerFeatures")) {
    ARROW_ASSIGN_OR_RAISE(protocol.reader_features, FindStrings(object, "readerFeatures"));
  }
  if (object.contains("writerFeatures")) {
    ARROW_ASSIGN_OR_RAISE(protocol.writer_features, FindStrings(object, "writerFeatures"));
  }
  return protocol;
}

Result<Action> ParseTransaction(const json::object& object) {
  Transaction transaction;
  ARROW_ASSIGN_OR_RAISE(transaction.app_id, GetString(object, "appId"));
  ARROW_ASSIGN_OR_RAISE(transaction.version, GetInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(transaction.last_updated_ms, FindInt(object, "lastUpdated"));
  return transaction;
}

Result<Action> ParseChange(const json::object& object) {
  ChangeFile change;
  ARROW_ASSIGN_OR_RAISE(change.path, GetString(object, "path"));
  ARROW_ASSIGN_OR_RAISE(change.partition_values, FindPartitionValues(object));
  ARROW_ASSIGN_OR_RAISE(change.size_bytes, GetInt(object, "size"));
  return change;
}

Result<Action> ParseDomain(const json::object& object) {
  DomainMetadata domain;
  ARROW_ASSIGN_OR_RAISE(domain.domain, GetString(object, "domain"));
  ARROW_ASSIGN_OR_RAISE(auto configuration, FindString(object, "configuration"));
  domain.configuration = std::move(configuration).value_or("");
  ARROW_ASSIGN_OR_RAISE(domain.removed, BoolOr(object, "removed", false));
  return domain;
}

template <typename Texts>
json::object TextsToJson(const Texts& texts) {
  json::object object;
  for (const auto& [key, value] : texts) object[key] = value;
  return object;
}

json::object ToJson(const PartitionValues& values) {
  json::object object;
  for (const auto& [key, value] : values) object[key] = value ? json::value(*value) : nullptr;
  return object;
}

json::object ToJson(const VectorPointer& vector) {
  json::object object{{"storageType", vector.storage_type},
                      {"pathOrInlineDv", vector.path_or_inline}};
  if (vector.offset) object["offset"] = *vector.offset;
  object["sizeInBytes"] = vector.size_bytes;
  object["cardinality"] = vector.cardinality;
  return object;
}

void PutRowIds(const RowIds& ids, json::object* object) {
  if (ids.base) (*object)["baseRowId"] = *ids.base;
  if (ids.commit_version) (*object)["defaultRowCommitVersion"] = *ids.commit_version;
}

struct ToObject {
  json::object operator()(const CommitInfo& info) const { return {{"commitInfo", info.fields}}; }

  json::object operator()(const Protocol& protocol) const {
    json::object object{{"minReaderVersion", protocol.min_reader_version},
                        {"minWriterVersion", protocol.min_writer_version}};
    if (protocol.reader_features) object["readerFeatures"] = ToJsonArray(*protocol.reader_features);
    if (protocol.writer_features) object["writerFeatures"] = ToJsonArray(*protocol.writer_features);
    return {{"protocol", std::move(object)}};
  }

  json::object operator()(const Metadata& metadata) const {
    json::object object{{"id", metadata.id}};
    if (metadata.name) object["name"] = *metadata.name;
    if (metadata.description) object["description"] = *metadata.description;
    object["format"] = {{"provider", "parquet"}, {"options", json::object()}};
    object["schemaString"] = metadata.schema_string;
    object["partitionColumns"] = ToJsonArray(metadata.partition_columns);
    object["configuration"] = TextsToJson(metadata.configuration);
    if (metadata.created_time_ms) object["createdTime"] = *metadata.created_time_ms;
    return {{"metaData", std::move(object)}};
  }

  json::object operator()(const Transaction& transaction) const {
    json::object object{{"appId", transaction.app_id}, {"version", transaction.version}};
    if (transaction.last_updated_ms) object["lastUpdated"] = *transaction.last_updated_ms;
    return {{"txn", std::move(object)}};
  }

  json::object operator()(const AddFile& add) const {
    json::object object{{"path", add.path},
                        {"partitionValues", ToJson(add.partition_values)},
                        {"size", add.size_bytes},
                        {"modificationTime", add.modification_time_ms},
                        {"dataChange", add.data_change}};
    if (!add.stats.empty()) object["stats"] = add.stats;
    if (!add.tags.empty()) object["tags"] = TextsToJson(add.tags);
    if (add.vector) object["deletionVector"] = ToJson(*add.vector);
    PutRowIds(add.row_ids, &object);
    return {{"add", std::move(object)}};
  }

  json::object operator()(const RemoveFile& remove) const {
    json::object object{{"path", remove.path}};
    if (remove.deletion_time_ms) object["deletionTimestamp"] = *remove.deletion_time_ms;
    object["dataChange"] = remove.data_change;
    // The members below are only read where this says that they are there.
    object["extendedFileMetadata"] = remove.size_bytes.has_value();
    object["partitionValues"] = ToJson(remove.partition_values);
    if (remove.size_bytes) object["size"] = *remove.size_bytes;
    if (!remove.tags.empty()) object["tags"] = TextsToJson(remove.tags);
    if (remove.vector) object["deletionVector"] = ToJson(*remove.vector);
    PutRowIds(remove.row_ids, &object);
    return {{"remove", std::move(object)}};
  }

  json::object operator()(const ChangeFile& change) const {
    return {{"cdc", json::object{{"path", change.path},
                                 {"partitionValues", ToJson(change.partition_values)},
                                 {"size", change.size_bytes},
                                 {"dataChange", false}}}};
  }

  json::object operator()(const DomainMetadata& domain) const {
    return {{"domainMetadata", json::object{{"domain", domain.domain},
                                            {"configuration", domain.configuration},
                                            {"removed", domain.removed}}}};
  }

  json::object operator()(const OtherAction& other) const {
    return {{other.name, json::object()}};
  }
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string VectorPointer::UniqueId() const {
  std::string id = storage_type + path_or_inline;
  if (offset) id += "@" + std::to_string(*offset);
  return id;
}

std::string LogicalFileKey(const std::string& path, const std::optional<VectorPointer>& vector) {
  return vector ? path + '\n' + vector->UniqueId() : path;
}

RemoveFile RemoveFile::Of(const AddFile& file, int64_t time_ms, bool data_change) {
  return {.path = file.path,
          .deletion_time_ms = time_ms,
          .data_change = data_change,
          .partition_values = file.partition_values,
          .size_bytes = file.size_bytes,
          .tags = file.tags,
          .vector = file.vector,
          .row_ids = file.row_ids};
}

Result<Action> ParseAction(std::string_view line) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(line));
  for (const auto& member : object) {
    if (member.value().is_null()) continue;
    if (!member.value().is_object()) {
      return Status::Invalid("action '", std::string_view(member.key()), "' must be an object");
    }
    const std::string_view name = member.key();
    const json::object& body = member.value().as_object();
    if (name == "add") return ParseAdd(body);
    if (name == "remove") return ParseRemove(body);
    if (name == "metaData") return ParseMetadata(body);
    if (name == "protocol") return ParseProtocol(body);
    if (name == "txn") return ParseTransaction(body);
    if (name == "cdc") return ParseChange(body);
    if (name == "domainMetadata") return ParseDomain(body);
    if (name == "commitInfo") return CommitInfo{body};
    return OtherAction{std::string(name)};
  }
  return Status::Invalid("a line without an action");
}

Result<std::vector<Action>> ParseActions(std::string_view text) {
  std::vector<Action> actions;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Result<Action> action = ParseAction(line);
    if (!action.ok()) return Explain(action.status(), "line " + std::to_string(number));
    actions.push_back(*std::move(action));
  }
  return actions;
}

std::string ToLine(const Action& action) { return ToText(std::visit(ToObject(), action)); }

Result<std::string> DecodeLogPath(std::string_view path) {
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() && HexDigit(path[i + 1]) >= 0 &&
        HexDigit(path[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(path[i + 1]) * 16 + HexDigit(path[i + 2]));
      i += 2;
    } else {
      decoded += path[i];
    }
  }
  const bool absolute = decoded.empty() || decoded.front() == '/' ||
                        decoded.find("://") != std::string::npos ||
                        decoded.find('\0') != std::string::npos;
  const std::string framed = "/" + decoded + "/";
  if (absolute || framed.find("/../") != std::string::npos) {
    return Status::Invalid("the log names a file outside of the table: '", path, "'");
  }
  return decoded;
}

}  // namespace tercet
