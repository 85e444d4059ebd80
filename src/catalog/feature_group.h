#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/json.h"
#include "catalog/data_source.h"
#include "catalog/embedding.h"
#include "catalog/noun.h"

namespace tercet {

/// What a user declares of a feature group. Two definitions are the same when ToJson() is.
struct FeatureGroupDefinition {
  std::string name;
  int64_t version = 1;
  std::vector<std::string> primary_key;       ///< at least one column
  std::string event_time;                     ///< empty: the group has no event time
  std::optional<int64_t> ttl_us;              ///< age past which a row is no longer seen
  bool online = false;
  bool deletion_vectors = true;               ///< false: never write Delta deletion vectors
  /// Every commit stays readable: no vacuum takes files or commits. What joins as known at a time
  /// need.
  bool history = false;
  std::string description;
  std::map<std::string, std::string> tags;
  /// Of an external group: where its rows are. Such a group is never written here.
  std::optional<DataSource> source;
  Embeddings embeddings;  ///< columns whose nearest neighbours can be searched for
  /// Columns in order. Null when declared without a schema and nothing was inserted yet: the
  /// first insert then sets it.
  std::shared_ptr<arrow::Schema> schema;

  Ref ref() const { return {name, version}; }
  json::object ToJson() const;
  static Result<FeatureGroupDefinition> FromJson(const json::object& object);
  /// Names, keys, event time and types are all fit for use; says what is not.
  Status Check() const;
  /// Empty when `other` declares the same; else one line a difference ("ttl: 3h, not 4h"). A null
  /// schema in either equals any.
  std::string Difference(const FeatureGroupDefinition& other) const;
};

/// One atomic change of a feature group, as `commits()` lists it.
struct Commit {
  Ref feature_group;
  int64_t version = 0;         ///< Delta version; 0 creates the table
  int64_t commit_time_us = 0;  ///< strictly increasing with version
  std::string operation;       ///< "create", "append", "upsert", "overwrite", "delete", "compact"…
  int64_t rows_inserted = 0;
  int64_t rows_updated = 0;
  int64_t rows_deleted = 0;
  bool already_applied = false;  ///< the idempotency key was seen before: nothing was changed
  json::object ToJson() const;
  static Result<Commit> FromJson(const json::object& object);
};

enum class InsertMode { kUpsert, kAppend, kOverwrite };
std::string_view InsertModeName(InsertMode mode);              ///< "upsert"
Result<InsertMode> InsertModeFromName(std::string_view name);  ///< Invalid with a suggestion

/// Arrow schemas as JSON: [{"name": "temp", "type": "double", "nullable": true}, …]. The type is
/// Arrow's own text ("timestamp[us, tz=UTC]", "decimal128(10, 2)", "list<item: int64>"); the
/// aliases of NumPy and pandas ("float64", "str", "datetime64[us]", "bool") are read as well.
json::array SchemaToJson(const arrow::Schema& schema);
Result<std::shared_ptr<arrow::Schema>> SchemaFromJson(const json::array& array);
Result<std::shared_ptr<arrow::DataType>> TypeFromText(std::string_view text);

}  // namespace tercet
