#include <arrow/array/array_nested.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/float16.h>
#include <arrow/util/utf8.h>

#include <array>
#include <cstring>

#include "base/name.h"
#include "base/short_text.h"
#include "client/json_rows.h"
#include "server/tensor.h"

namespace tercet {
namespace {

using ArrayPointer = std::shared_ptr<arrow::Array>;
using TypePointer = std::shared_ptr<arrow::DataType>;

Result<TypePointer> TypeOfDatatype(const InputTensor& tensor) {
  static const std::array<std::pair<std::string_view, TypePointer>, 13> kTypes = {{
      {"BOOL", arrow::boolean()},
      {"INT8", arrow::int8()},
      {"INT16", arrow::int16()},
      {"INT32", arrow::int32()},
      {"INT64", arrow::int64()},
      {"UINT8", arrow::uint8()},
      {"UINT16", arrow::uint16()},
      {"UINT32", arrow::uint32()},
      {"UINT64", arrow::uint64()},
      {"FP16", arrow::float16()},
      {"FP32", arrow::float32()},
      {"FP64", arrow::float64()},
      {"BYTES", arrow::utf8()},
  }};
  for (const auto& [name, type] : kTypes) {
    if (name == tensor.datatype) return type;
  }
  std::vector<std::string> names;
  for (const auto& [name, type] : kTypes) names.emplace_back(name);
  return Status::Invalid("input '", tensor.name, "' has the unknown datatype '",
                         ShortText(tensor.datatype, 40), "'",
                         Suggest(tensor.datatype, names));
}

Status WrongSize(const InputTensor& tensor, size_t bytes) {
  return Status::Invalid("input '", tensor.name, "' has ", bytes,
                         " bytes of binary data, which is not what its shape and datatype ",
                         tensor.datatype, " say");
}

template <typename Type>
Result<ArrayPointer> ReadNumbers(const InputTensor& tensor) {
  using Value = typename Type::c_type;
  const std::string_view bytes = *tensor.binary;
  if (bytes.size() != static_cast<size_t>(tensor.rows) * sizeof(Value)) {
    return WrongSize(tensor, bytes.size());
  }
  std::vector<Value> values(static_cast<size_t>(tensor.rows));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  typename arrow::TypeTraits<Type>::BuilderType builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(values));
  return builder.Finish();
}

/// Halves as floats, which hold each of them exactly.
Result<ArrayPointer> ReadHalves(const InputTensor& tensor) {
  const std::string_view bytes = *tensor.binary;
  if (bytes.size() != static_cast<size_t>(tensor.rows) * sizeof(uint16_t)) {
    return WrongSize(tensor, bytes.size());
  }
  arrow::FloatBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(tensor.rows));
  for (int64_t row = 0; row < tensor.rows; ++row) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + row * sizeof(bits), sizeof(bits));
    builder.UnsafeAppend(arrow::util::Float16::FromBits(bits).ToFloat());
  }
  return builder.Finish();
}

Result<ArrayPointer> ReadBools(const InputTensor& tensor) {
  const std::string_view bytes = *tensor.binary;
  if (bytes.size() != static_cast<size_t>(tensor.rows)) return WrongSize(tensor, bytes.size());
  arrow::BooleanBuilder builder;
  for (const char byte : bytes) ARROW_RETURN_NOT_OK(builder.Append(byte != 0));
  return builder.Finish();
}

/// Each element has its length before it, in 32 bits.
template <typename Builder>
Result<ArrayPointer> ReadBytes(const InputTensor& tensor) {
  std::string_view bytes = *tensor.binary;
  Builder builder;
  for (int64_t row = 0; row < tensor.rows; ++row) {
    uint32_t size = 0;
    if (bytes.size() < sizeof(size)) return WrongSize(tensor, tensor.binary->size());
    std::memcpy(&size, bytes.data(), sizeof(size));
    bytes.remove_prefix(sizeof(size));
    if (bytes.size() < size) return WrongSize(tensor, tensor.binary->size());
    ARROW_RETURN_NOT_OK(builder.Append(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) return WrongSize(tensor, tensor.binary->size());
  return builder.Finish();
}

Result<ArrayPointer> ReadText(const InputTensor& tensor) {
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer text, ReadBytes<arrow::StringBuilder>(tensor));
  arrow::util::InitializeUTF8();
  if (!static_cast<const arrow::StringArray&>(*text).ValidateUTF8().ok()) {
    return Status::Invalid("input '", tensor.name, "' has bytes that are not UTF-8 text");
  }
  return text;
}

Result<ArrayPointer> ReadBinary(const InputTensor& tensor, arrow::Type::type type) {
  switch (type) {
    case arrow::Type::BOOL:
      return ReadBools(tensor);
    case arrow::Type::INT8:
      return ReadNumbers<arrow::Int8Type>(tensor);
    case arrow::Type::INT16:
      return ReadNumbers<arrow::Int16Type>(tensor);
    case arrow::Type::INT32:
      return ReadNumbers<arrow::Int32Type>(tensor);
    case arrow::Type::INT64:
      return ReadNumbers<arrow::Int64Type>(tensor);
    case arrow::Type::UINT8:
      return ReadNumbers<arrow::UInt8Type>(tensor);
    case arrow::Type::UINT16:
      return ReadNumbers<arrow::UInt16Type>(tensor);
    case arrow::Type::UINT32:
      return ReadNumbers<arrow::UInt32Type>(tensor);
    case arrow::Type::UINT64:
      return ReadNumbers<arrow::UInt64Type>(tensor);
    case arrow::Type::HALF_FLOAT:
      return ReadHalves(tensor);
    case arrow::Type::FLOAT:
      return ReadNumbers<arrow::FloatType>(tensor);
    case arrow::Type::DOUBLE:
      return ReadNumbers<arrow::DoubleType>(tensor);
    default:
      return ReadText(tensor);
  }
}

/// Texts as times, dates and decimals, by the rules of JSON rows.
Result<ArrayPointer> ParseTexts(const InputTensor& tensor, const arrow::Array& texts,
                                const TypePointer& type) {
  const auto& strings = static_cast<const arrow::StringArray&>(texts);
  std::vector<json::value> values(static_cast<size_t>(strings.length()));
  std::vector<const json::value*> pointers;
  for (int64_t i = 0; i < strings.length(); ++i) {
    if (!strings.IsNull(i)) values[i] = json::string(strings.GetView(i));
    pointers.push_back(&values[i]);
  }
  return ArrayFromJson(tensor.name, type, pointers);
}

Result<ArrayPointer> Convert(const InputTensor& tensor, const ArrayPointer& values,
                             const TypePointer& type) {
  const arrow::Type::type from = values->type_id();
  const arrow::Type::type to = type->id();
  if (values->type()->Equals(*type)) return values;
  const bool is_text = from == arrow::Type::STRING;
  if (is_text && (to == arrow::Type::TIMESTAMP || to == arrow::Type::DATE32 ||
                  to == arrow::Type::DATE64 || arrow::is_decimal(to))) {
    return ParseTexts(tensor, *values, type);
  }
  Result<arrow::Datum> cast = Status::TypeError("");
  if (is_text
          ? arrow::is_base_binary_like(to)
          : (arrow::is_integer(to) || arrow::is_floating(to)) && to != arrow::Type::HALF_FLOAT) {
    cast = arrow::compute::Cast(values, type);
  } else if (from == arrow::Type::INT64 && to == arrow::Type::TIMESTAMP) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
    const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, timestamp.timezone());
    ARROW_ASSIGN_OR_RAISE(const ArrayPointer times, values->View(micros));
    cast = arrow::compute::Cast(times, type);
  }
  if (cast.ok()) return cast->make_array();
  return Status::TypeError("input '", tensor.name, "' of datatype ", tensor.datatype,
                           " does not fit its column of type ", type->ToString(),
                           cast.status().message().empty() ? "" : ": ", cast.status().message());
}

/// The tensor's values, one after another, as its datatype says.
Result<ArrayPointer> FlatValues(const InputTensor& tensor) {
  ARROW_ASSIGN_OR_RAISE(const TypePointer native, TypeOfDatatype(tensor));
  if (tensor.binary) return ReadBinary(tensor, native->id());
  std::vector<const json::value*> leaves;
  FlattenJson(*tensor.data, &leaves);
  if (leaves.size() != static_cast<size_t>(tensor.rows)) {
    return Status::Invalid("input '", tensor.name, "' has ", leaves.size(),
                           " values, but its shape says ", tensor.rows);
  }
  // JSON has no halves: their numbers are read as floats.
  const bool half = native->id() == arrow::Type::HALF_FLOAT;
  return ArrayFromJson(tensor.name, half ? arrow::float32() : native, leaves);
}

/// The same as a column of `type`.
Result<ArrayPointer> FlatColumn(const InputTensor& tensor, const TypePointer& type) {
  // Bytes for a binary column need not be text.
  const bool raw = tensor.binary && tensor.datatype == "BYTES" &&
                   arrow::is_base_binary_like(type->id()) && !arrow::is_string(type->id());
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer values,
                        raw ? ReadBytes<arrow::BinaryBuilder>(tensor) : FlatValues(tensor));
  return Convert(tensor, values, type);
}

}  // namespace

void FlattenJson(const json::value& data, std::vector<const json::value*>* leaves) {
  if (const json::array* array = data.if_array()) {
    for (const json::value& item : *array) FlattenJson(item, leaves);
  } else {
    leaves->push_back(&data);
  }
}

Result<ArrayPointer> ColumnOf(const InputTensor& tensor, const TypePointer& type) {
  if (!arrow::is_list(type->id())) {
    if (tensor.width == 1) return FlatColumn(tensor, type);
    return Status::Invalid("input '", tensor.name, "' has ", tensor.width,
                           " values a row, but its column of type ", type->ToString(),
                           " has one; its shape must be [n] or [n, 1]");
  }
  InputTensor flat = tensor;
  flat.rows *= tensor.width;
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer values, FlatColumn(flat, type->field(0)->type()));
  if (type->id() == arrow::Type::FIXED_SIZE_LIST) {
    const int64_t size = static_cast<const arrow::FixedSizeListType&>(*type).list_size();
    if (size != tensor.width) {
      return Status::Invalid("input '", tensor.name, "' has ", tensor.width,
                             " values a row, but its column has lists of ", size);
    }
    return std::make_shared<arrow::FixedSizeListArray>(type, tensor.rows, values);
  }
  if (type->id() == arrow::Type::LARGE_LIST) {
    return arrow::compute::Cast(*std::make_shared<arrow::FixedSizeListArray>(
                                    arrow::fixed_size_list(type->field(0),
                                                           static_cast<int32_t>(tensor.width)),
                                    tensor.rows, values),
                                type);
  }
  arrow::Int32Builder offsets;
  for (int64_t row = 0; row <= tensor.rows; ++row) {
    ARROW_RETURN_NOT_OK(offsets.Append(static_cast<int32_t>(row * tensor.width)));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer starts, offsets.Finish());
  return arrow::ListArray::FromArrays(type, *starts, *values);
}

Result<std::vector<ArrayPointer>> ColumnsOf(const InputTensor& tensor,
                                            const arrow::Schema& columns) {
  InputTensor flat = tensor;
  flat.rows *= tensor.width;
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer values, FlatValues(flat));
  std::vector<ArrayPointer> split;
  for (const auto& field : columns.fields()) {
    arrow::Int64Builder places;
    ARROW_RETURN_NOT_OK(places.Reserve(tensor.rows));
    for (int64_t row = 0; row < tensor.rows; ++row) {
      places.UnsafeAppend(row * tensor.width + static_cast<int64_t>(split.size()));
    }
    ARROW_ASSIGN_OR_RAISE(const ArrayPointer indices, places.Finish());
    ARROW_ASSIGN_OR_RAISE(const ArrayPointer column, arrow::compute::Take(*values, *indices));
    Result<ArrayPointer> converted = Convert(tensor, column, field->type());
    if (!converted.ok()) return Explain(converted.status(), "column '" + field->name() + "'");
    split.push_back(*std::move(converted));
  }
  return split;
}

}  // namespace tercet
