#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <arrow/type.h>

#include "base/json.h"
#include "base/result.h"
#include "compute/vector_distance.h"

namespace tercet {

/// A column of vectors whose nearest neighbours can be searched for, as its feature group declares
/// it.
struct EmbeddingDefinition {
  VectorMetric metric = VectorMetric::kCosine;
  /// Of the vectors; told by the column's type where that is a list of fixed size.
  std::optional<int64_t> dimension;

  /// {"metric": "cosine", "dimension": 384}; both optional on reading.
  json::object ToJson() const;
  static Result<EmbeddingDefinition> FromJson(const json::object& object);
  bool operator==(const EmbeddingDefinition&) const = default;
};

/// By column.
using Embeddings = std::map<std::string, EmbeddingDefinition>;

inline constexpr int64_t kMaxDimension = 16'384;

/// What a row of neighbours has beside the group's columns, which therefore have other names.
inline constexpr std::string_view kDistanceColumn = "_distance";
inline constexpr std::string_view kQueryColumn = "_query";

/// Of the vectors of a column. TypeError where it can't hold vectors (lists of float or double
/// can), Invalid where neither its type nor the definition says a dimension, or both do and differ.
Result<int64_t> DimensionOf(const std::string& column, const EmbeddingDefinition& embedding,
                            const arrow::DataType& type);

/// Whether embeddings fit a group's columns; a null schema fits as far as it can be told.
Status CheckEmbeddings(const Embeddings& embeddings, const arrow::Schema* schema);

json::object ToJson(const Embeddings& embeddings);
Result<Embeddings> EmbeddingsFromJson(const json::object& object);

}  // namespace tercet
