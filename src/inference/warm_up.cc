#include "inference/warm_up.h"

#include <cmath>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/util/base64.h>

#include "base/batch_bytes.h"

namespace tercet {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

constexpr double kTolerance = 1e-5;

/// Three values of the type; null when there are none that need no thought.
Result<std::shared_ptr<arrow::Array>> Values(const std::shared_ptr<arrow::DataType>& type) {
  if (arrow::is_base_binary_like(type->id())) {
    arrow::StringBuilder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(std::vector<std::string>{"", "a", "b"}));
    ARROW_ASSIGN_OR_RAISE(const auto texts, builder.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(texts, type));
    return cast.make_array();
  }
  const bool number = arrow::is_integer(type->id()) || arrow::is_floating(type->id()) ||
                      arrow::is_decimal(type->id()) || type->id() == arrow::Type::BOOL;
  if (!number) return nullptr;
  arrow::Int8Builder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(std::vector<int8_t>{0, 1, 2}));
  ARROW_ASSIGN_OR_RAISE(const auto numbers, builder.Finish());
  arrow::compute::CastOptions unsafe = arrow::compute::CastOptions::Unsafe();
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(numbers, type, unsafe));
  return cast.make_array();
}

/// Null when a column has no such values.
Result<Batch> Inputs(const arrow::Schema& schema) {
  arrow::ArrayVector columns;
  for (const auto& field : schema.fields()) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), Values(field->type()));
    if (columns.back() == nullptr) return nullptr;
  }
  return arrow::RecordBatch::Make(std::make_shared<arrow::Schema>(schema.fields()), 3,
                                  std::move(columns));
}

Result<std::string> Encode(const arrow::RecordBatch& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, WriteBatch(batch));
  return arrow::util::base64_encode(std::string_view(*bytes));
}

/// The record may have come from a client: it is checked as a file from anywhere would be.
Result<Batch> Decode(const json::object& warm_up, std::string_view member) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(warm_up, member));
  ARROW_ASSIGN_OR_RAISE(std::string bytes, arrow::util::base64_decode(text));
  const Result<Batch> read = ReadBatch(arrow::Buffer::FromString(std::move(bytes)));
  if (!read.ok()) {
    return Status::Invalid("its warm-up ", member, " are damaged: ", read.status().message());
  }
  const Batch& batch = *read;
  ARROW_RETURN_NOT_OK(batch->ValidateFull());
  return batch;
}

bool SameBits(const arrow::RecordBatch& one, const arrow::RecordBatch& other) {
  return one.Equals(other, /*check_metadata=*/false,
                    arrow::EqualOptions::Defaults().nans_equal(true));
}

/// Floats within a relative tolerance, all else equal.
Result<bool> Near(const arrow::RecordBatch& one, const arrow::RecordBatch& other) {
  if (!one.schema()->Equals(*other.schema(), false) || one.num_rows() != other.num_rows()) {
    return false;
  }
  for (int c = 0; c < one.num_columns(); ++c) {
    if (!arrow::is_floating(one.column(c)->type_id())) {
      if (!one.column(c)->Equals(*other.column(c))) return false;
      continue;
    }
    std::array<std::shared_ptr<arrow::Array>, 2> sides;
    for (size_t i = 0; i < 2; ++i) {
      const auto& column = (i == 0 ? one : other).column(c);
      ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(column, arrow::float64()));
      sides[i] = cast.make_array();
    }
    for (int64_t row = 0; row < one.num_rows(); ++row) {
      if (sides[0]->IsNull(row) != sides[1]->IsNull(row)) return false;
      const double a = static_cast<const arrow::DoubleArray&>(*sides[0]).Value(row);
      const double b = static_cast<const arrow::DoubleArray&>(*sides[1]).Value(row);
      if (sides[0]->IsNull(row) || a == b || (std::isnan(a) && std::isnan(b))) continue;
      if (!(std::fabs(a - b) <= kTolerance * std::max(std::fabs(a), std::fabs(b)))) return false;
    }
  }
  return true;
}

}  // namespace

Result<json::object> RecordWarmUp(Predictor* predictor) {
  ARROW_ASSIGN_OR_RAISE(const Batch inputs, Inputs(*predictor->signature().inputs));
  if (inputs == nullptr) return json::object();
  const Result<Batch> first = predictor->Predict(*inputs);
  if (!first.ok()) return json::object();
  const Result<Batch> second = predictor->Predict(*inputs);
  if (!second.ok() || !SameBits(**first, **second)) return json::object();
  json::object warm_up;
  ARROW_ASSIGN_OR_RAISE(warm_up["inputs"], Encode(*inputs));
  ARROW_ASSIGN_OR_RAISE(warm_up["outputs"], Encode(**first));
  return warm_up;
}

Status ProveWarmUp(const json::object& warm_up, ModelFormat format, Predictor* predictor) {
  if (warm_up.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const Batch inputs, Decode(warm_up, "inputs"));
  ARROW_ASSIGN_OR_RAISE(const Batch recorded, Decode(warm_up, "outputs"));
  ARROW_ASSIGN_OR_RAISE(const Batch outputs, predictor->Predict(*inputs));
  const bool trees = format == ModelFormat::kXgboost || format == ModelFormat::kLightgbm;
  ARROW_ASSIGN_OR_RAISE(const bool near, Near(*outputs, *recorded));
  if (trees ? SameBits(*outputs, *recorded) : near) return Status::OK();
  return Status::ExecutionError("it answers ", outputs->ToString(), " where it answered ",
                                recorded->ToString(), " when it was registered");
}

}  // namespace tercet
