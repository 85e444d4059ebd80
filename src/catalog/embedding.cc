#include "catalog/embedding.h"

#include <arrow/type_traits.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {

json::object EmbeddingDefinition::ToJson() const {
  return {{"metric", VectorMetricName(metric)}, {"dimension", OrNull(dimension)}};
}

Result<EmbeddingDefinition> EmbeddingDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("embedding", object, {"metric", "dimension"}));
  EmbeddingDefinition embedding;
  ARROW_ASSIGN_OR_RAISE(const auto metric, FindString(object, "metric"));
  if (metric) {
    ARROW_ASSIGN_OR_RAISE(embedding.metric, VectorMetricFromName(*metric));
  }
  ARROW_ASSIGN_OR_RAISE(embedding.dimension, FindInt(object, "dimension"));
  return embedding;
}

Result<int64_t> DimensionOf(const std::string& column, const EmbeddingDefinition& embedding,
                            const arrow::DataType& type) {
  const std::string what = "embedding '" + column + "'";
  const bool fixed = type.id() == arrow::Type::FIXED_SIZE_LIST;
  if (!arrow::is_list(type.id()) || (type.field(0)->type()->id() != arrow::Type::FLOAT &&
                                     type.field(0)->type()->id() != arrow::Type::DOUBLE)) {
    return Status::TypeError(what, ": the column must hold lists of float or double, not ",
                             type.ToString());
  }
  if (fixed) {
    const int64_t size = static_cast<const arrow::FixedSizeListType&>(type).list_size();
    if (embedding.dimension && *embedding.dimension != size) {
      return Status::Invalid(what, " is declared with dimension ", *embedding.dimension,
                             ", but the column's lists have ", size, " elements");
    }
    if (size < 1 || size > kMaxDimension) {
      return Status::Invalid(what, ": the dimension must be from 1 to ", kMaxDimension, ", not ",
                             size);
    }
    return size;
  }
  if (!embedding.dimension) {
    return Status::Invalid(what, ": lists of ", type.ToString(), " may have any length; declare ",
                           "the embedding's dimension");
  }
  return *embedding.dimension;
}

Status CheckEmbeddings(const Embeddings& embeddings, const arrow::Schema* schema) {
  for (const auto& [column, embedding] : embeddings) {
    ARROW_RETURN_NOT_OK(CheckColumnName(column));
    if (embedding.dimension && (*embedding.dimension < 1 || *embedding.dimension > kMaxDimension)) {
      return Status::Invalid("embedding '", column, "': the dimension must be from 1 to ",
                             kMaxDimension, ", not ", *embedding.dimension);
    }
    if (schema == nullptr) continue;
    const auto field = schema->GetFieldByName(column);
    if (field == nullptr) {
      return Status::KeyError("embedding '", column, "': there is no such column",
                              Suggest(column, schema->field_names()));
    }
    ARROW_RETURN_NOT_OK(DimensionOf(column, embedding, *field->type()).status());
  }
  if (embeddings.empty() || schema == nullptr) return Status::OK();
  for (const std::string_view reserved : {kDistanceColumn, kQueryColumn}) {
    if (schema->GetFieldIndex(std::string(reserved)) >= 0) {
      return Status::Invalid("column '", reserved, "' has a name that searches for neighbours ",
                             "give to a column of their own");
    }
  }
  return Status::OK();
}

json::object ToJson(const Embeddings& embeddings) {
  json::object object;
  for (const auto& [column, embedding] : embeddings) object[column] = embedding.ToJson();
  return object;
}

Result<Embeddings> EmbeddingsFromJson(const json::object& object) {
  Embeddings embeddings;
  for (const auto& member : object) {
    if (!member.value().is_object()) {
      return Status::Invalid("embedding '", std::string_view(member.key()),
                             "' must be an object, such as {\"metric\": \"cosine\"}, not ",
                             ShortText(ToText(member.value())));
    }
    auto embedding = EmbeddingDefinition::FromJson(member.value().as_object());
    if (!embedding.ok()) {
      return Explain(embedding.status(), "embedding '" + std::string(member.key()) + "'");
    }
    embeddings[std::string(member.key())] = *embedding;
  }
  return embeddings;
}

}  // namespace tercet
