#include "runtime/feature_rows.h"

#include <limits>

#include <arrow/array.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

namespace tercet {
namespace {

/// One column's rows [begin, end) into every `stride`th number of `out`. `value(i)` reads item i,
/// counted from the start of the buffers.
template <typename Number, typename Value>
void FillColumn(const arrow::ArrayData& data, int64_t begin, int64_t end, size_t stride,
                Number* out, const Value& value) {
  const uint8_t* valid = data.buffers[0] == nullptr ? nullptr : data.buffers[0]->data();
  if (valid == nullptr && stride == 1) {
    // A loop of its own, which the compiler makes several numbers at once of.
    const int64_t first = data.offset + begin;
    for (int64_t i = 0; i < end - begin; ++i) out[i] = static_cast<Number>(value(first + i));
    return;
  }
  for (int64_t i = data.offset + begin; i < data.offset + end; ++i, out += stride) {
    const bool present = valid == nullptr || arrow::bit_util::GetBit(valid, i);
    *out = present ? static_cast<Number>(value(i)) : std::numeric_limits<Number>::quiet_NaN();
  }
}

template <typename Stored, typename Number>
void FillPlain(const arrow::ArrayData& data, int64_t begin, int64_t end, size_t stride,
               Number* out) {
  const auto* values = reinterpret_cast<const Stored*>(data.buffers[1]->data());
  FillColumn(data, begin, end, stride, out, [=](int64_t i) { return values[i]; });
}

/// Whatever has no plain loop above: decimals and words, by way of Arrow's arrays.
template <typename Number>
void FillOther(const arrow::RecordBatch& batch, int column, int64_t begin, int64_t end,
               const CategoryCodes& categories, size_t stride, Number* out) {
  const auto array = batch.column(column);
  const auto missing = std::numeric_limits<Number>::quiet_NaN();
  const auto code_of = [&](std::string_view word) {
    const auto found = categories.codes.find(std::string(word));
    return found == categories.codes.end() ? missing : static_cast<Number>(found->second);
  };
  for (int64_t i = begin; i < end; ++i, out += stride) {
    *out = missing;
    if (array->IsNull(i)) continue;
    switch (array->type_id()) {
      case arrow::Type::STRING:
        *out = code_of(static_cast<const arrow::StringArray&>(*array).GetView(i));
        break;
      case arrow::Type::LARGE_STRING:
        *out = code_of(static_cast<const arrow::LargeStringArray&>(*array).GetView(i));
        break;
      case arrow::Type::STRING_VIEW:
        *out = code_of(static_cast<const arrow::StringViewArray&>(*array).GetView(i));
        break;
      case arrow::Type::DECIMAL128: {
        const auto& decimals = static_cast<const arrow::Decimal128Array&>(*array);
        const auto& type = static_cast<const arrow::Decimal128Type&>(*array->type());
        *out = static_cast<Number>(
            arrow::Decimal128(decimals.GetValue(i)).ToDouble(type.scale()));
        break;
      }
      case arrow::Type::DECIMAL256: {
        const auto& decimals = static_cast<const arrow::Decimal256Array&>(*array);
        const auto& type = static_cast<const arrow::Decimal256Type&>(*array->type());
        *out = static_cast<Number>(
            arrow::Decimal256(decimals.GetValue(i)).ToDouble(type.scale()));
        break;
      }
      default: break;  // the null type
    }
  }
}

bool IsText(arrow::Type::type type) {
  return type == arrow::Type::STRING || type == arrow::Type::LARGE_STRING ||
         type == arrow::Type::STRING_VIEW;
}

bool IsNumber(arrow::Type::type type) {
  return arrow::is_integer(type) || arrow::is_floating(type) || type == arrow::Type::BOOL ||
         type == arrow::Type::DECIMAL128 || type == arrow::Type::DECIMAL256 ||
         type == arrow::Type::NA;
}

}  // namespace

bool IsFeatureCell(arrow::Type::type type) {
  return arrow::is_integer(type) || type == arrow::Type::FLOAT || type == arrow::Type::DOUBLE ||
         type == arrow::Type::BOOL || type == arrow::Type::STRING ||
         type == arrow::Type::LARGE_STRING;
}

template <typename Number>
void FillFeatureRow(std::span<const Cell> cells, std::span<const arrow::Type::type> types,
                    const std::vector<CategoryCodes>& categories, Number* row) {
  const auto number_of = [&](const Cell& cell, size_t i) -> Number {
    switch (types[i]) {
      case arrow::Type::DOUBLE: return static_cast<Number>(cell.As<double>());
      case arrow::Type::FLOAT: return static_cast<Number>(cell.As<float>());
      case arrow::Type::INT8: return static_cast<Number>(cell.As<int8_t>());
      case arrow::Type::INT16: return static_cast<Number>(cell.As<int16_t>());
      case arrow::Type::INT32: return static_cast<Number>(cell.As<int32_t>());
      case arrow::Type::INT64: return static_cast<Number>(cell.As<int64_t>());
      case arrow::Type::BOOL:
      case arrow::Type::UINT8: return static_cast<Number>(cell.As<uint8_t>());
      case arrow::Type::UINT16: return static_cast<Number>(cell.As<uint16_t>());
      case arrow::Type::UINT32: return static_cast<Number>(cell.As<uint32_t>());
      case arrow::Type::UINT64: return static_cast<Number>(cell.As<uint64_t>());
      default: break;
    }
    const auto found = categories[i].codes.find(std::string(cell.bytes()));
    return found == categories[i].codes.end() ? std::numeric_limits<Number>::quiet_NaN()
                                              : static_cast<Number>(found->second);
  };
  for (size_t i = 0; i < cells.size(); ++i) {
    row[i] = cells[i].null() ? std::numeric_limits<Number>::quiet_NaN() : number_of(cells[i], i);
  }
}

template void FillFeatureRow<float>(std::span<const Cell>, std::span<const arrow::Type::type>,
                                    const std::vector<CategoryCodes>&, float*);
template void FillFeatureRow<double>(std::span<const Cell>, std::span<const arrow::Type::type>,
                                     const std::vector<CategoryCodes>&, double*);

namespace {

/// Column `c` into every `stride`th number of `out`.
template <typename Number>
void FillStrided(const arrow::RecordBatch& batch, int c, int64_t begin, int64_t end,
                 const std::vector<CategoryCodes>& categories, size_t stride, Number* out) {
  const arrow::ArrayData& data = *batch.column_data(c);
  switch (data.type->id()) {
    case arrow::Type::DOUBLE: FillPlain<double>(data, begin, end, stride, out); break;
    case arrow::Type::FLOAT: FillPlain<float>(data, begin, end, stride, out); break;
    case arrow::Type::INT8: FillPlain<int8_t>(data, begin, end, stride, out); break;
    case arrow::Type::INT16: FillPlain<int16_t>(data, begin, end, stride, out); break;
    case arrow::Type::INT32: FillPlain<int32_t>(data, begin, end, stride, out); break;
    case arrow::Type::INT64: FillPlain<int64_t>(data, begin, end, stride, out); break;
    case arrow::Type::UINT8: FillPlain<uint8_t>(data, begin, end, stride, out); break;
    case arrow::Type::UINT16: FillPlain<uint16_t>(data, begin, end, stride, out); break;
    case arrow::Type::UINT32: FillPlain<uint32_t>(data, begin, end, stride, out); break;
    case arrow::Type::UINT64: FillPlain<uint64_t>(data, begin, end, stride, out); break;
    case arrow::Type::BOOL: {
      const uint8_t* bits = data.buffers[1]->data();
      FillColumn(data, begin, end, stride, out,
                 [=](int64_t i) { return arrow::bit_util::GetBit(bits, i) ? 1 : 0; });
      break;
    }
    case arrow::Type::HALF_FLOAT: {
      const auto* halves = reinterpret_cast<const uint16_t*>(data.buffers[1]->data());
      FillColumn(data, begin, end, stride, out, [=](int64_t i) {
        return arrow::util::Float16::FromBits(halves[i]).ToFloat();
      });
      break;
    }
    default: FillOther(batch, c, begin, end, categories[c], stride, out); break;
  }
}

}  // namespace

template <typename Number>
void FillFeatureRows(const arrow::RecordBatch& batch, int64_t begin, int64_t end,
                     const std::vector<CategoryCodes>& categories, Number* rows) {
  if (begin == end) return;  // an empty column may have no buffers
  const int columns = batch.num_columns();
  for (int c = 0; c < columns; ++c) {
    FillStrided(batch, c, begin, end, categories, static_cast<size_t>(columns), rows + c);
  }
}

template void FillFeatureRows<float>(const arrow::RecordBatch&, int64_t, int64_t,
                                     const std::vector<CategoryCodes>&, float*);
template void FillFeatureRows<double>(const arrow::RecordBatch&, int64_t, int64_t,
                                      const std::vector<CategoryCodes>&, double*);

template <typename Number>
void FillFeatureColumn(const arrow::RecordBatch& batch, int column, int64_t begin, int64_t end,
                       const std::vector<CategoryCodes>& categories, Number* values) {
  if (begin != end) FillStrided(batch, column, begin, end, categories, 1, values);
}

template void FillFeatureColumn<float>(const arrow::RecordBatch&, int, int64_t, int64_t,
                                       const std::vector<CategoryCodes>&, float*);
template void FillFeatureColumn<double>(const arrow::RecordBatch&, int, int64_t, int64_t,
                                        const std::vector<CategoryCodes>&, double*);

Status CheckFeatureTypes(const arrow::Schema& schema, size_t count,
                         const std::vector<CategoryCodes>& categories) {
  if (static_cast<size_t>(schema.num_fields()) != count) {
    return Status::Invalid("the model takes ", count, " features, not ", schema.num_fields());
  }
  for (int i = 0; i < schema.num_fields(); ++i) {
    const arrow::Type::type type = schema.field(i)->type()->id();
    if (IsNumber(type) || (IsText(type) && !categories[i].codes.empty())) continue;
    return Status::TypeError("feature '", schema.field(i)->name(), "' has the type ",
                             schema.field(i)->type()->ToString(),
                             ", but the model takes numbers; transform it in the feature view "
                             "(one_hot_encoder, label_encoder)");
  }
  return Status::OK();
}

}  // namespace tercet
