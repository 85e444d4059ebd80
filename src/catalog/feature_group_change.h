#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/json.h"
#include "base/result.h"
#include "catalog/embedding.h"

namespace tercet {

/// What may change of a feature group that has rows; what is left empty stays. Names, keys, the
/// event time and the meaning of a column never change: that is another version.
struct FeatureGroupChange {
  struct NewFeature {
    std::string name;
    std::shared_ptr<arrow::DataType> type;
    json::value default_value;  ///< what rows have that don't say; null: null
  };
  std::vector<NewFeature> add;
  arrow::FieldVector widen;  ///< column and its wider type
  std::optional<std::string> description;
  std::optional<std::map<std::string, std::string>> tags;
  bool change_ttl = false;
  std::optional<int64_t> ttl_us;  ///< where change_ttl: the new one, or none
  /// True: from now on no vacuum takes an old commit (FeatureGroupDefinition::history). It is never
  /// switched off, since nobody can say who counts on it.
  std::optional<bool> history;
  /// Table properties (docs/reference/table-format.md); nullopt takes one away.
  std::map<std::string, std::optional<std::string>> properties;

  /// Embeddings by column, in place of what is declared; nullopt takes one away.
  std::map<std::string, std::optional<EmbeddingDefinition>> embeddings;

  bool ChangesTable() const { return !add.empty() || !widen.empty() || !properties.empty(); }

  /// {"add": [{"name", "type", "default"}], "widen": {"column": "type"}, "description", "tags",
  /// "ttl_us": n or null, "history": true, "properties": {"name": text or null},
  /// "embeddings": {"column": {…} or null}}; all optional.
  json::object ToJson() const;
  static Result<FeatureGroupChange> FromJson(const json::object& object);
};

}  // namespace tercet
