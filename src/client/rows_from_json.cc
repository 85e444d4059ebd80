#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <arrow/util/base64.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/name.h"
#include "base/short_text.h"
#include "base/time_text.h"
#include "client/json_rows.h"

namespace tercet {
namespace {

constexpr int64_t kMicrosPerDay = 86'400'000'000;

const json::value kNull;

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

/// Appends JSON values to a builder of any type that a feature may have.
class Appender {
 public:
  explicit Appender(std::string_view column) : column_(column) {}

  Status Append(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (value.is_null()) return builder->AppendNull();
    switch (builder->type()->id()) {
      case arrow::Type::BOOL:
        if (!value.is_bool()) return Mismatch(value, *builder);
        return static_cast<arrow::BooleanBuilder*>(builder)->Append(value.as_bool());
      case arrow::Type::INT8:
        return AppendInteger<arrow::Int8Builder>(value, builder);
      case arrow::Type::INT16:
        return AppendInteger<arrow::Int16Builder>(value, builder);
      case arrow::Type::INT32:
        return AppendInteger<arrow::Int32Builder>(value, builder);
      case arrow::Type::INT64:
        return AppendInteger<arrow::Int64Builder>(value, builder);
      case arrow::Type::UINT8:
        return AppendInteger<arrow::UInt8Builder>(value, builder);
      case arrow::Type::UINT16:
        return AppendInteger<arrow::UInt16Builder>(value, builder);
      case arrow::Type::UINT32:
        return AppendInteger<arrow::UInt32Builder>(value, builder);
      case arrow::Type::UINT64:
        return AppendInteger<arrow::UInt64Builder>(value, builder);
      case arrow::Type::TIME32:
        return AppendInteger<arrow::Time32Builder>(value, builder);
      case arrow::Type::TIME64:
        return AppendInteger<arrow::Time64Builder>(value, builder);
      case arrow::Type::DURATION:
        return AppendInteger<arrow::DurationBuilder>(value, builder);
      case arrow::Type::FLOAT:
        return AppendFloat<arrow::FloatBuilder>(value, builder);
      case arrow::Type::DOUBLE:
        return AppendFloat<arrow::DoubleBuilder>(value, builder);
      case arrow::Type::STRING:
        return AppendText<arrow::StringBuilder>(value, builder);
      case arrow::Type::LARGE_STRING:
        return AppendText<arrow::LargeStringBuilder>(value, builder);
      case arrow::Type::BINARY:
        return AppendBinary<arrow::BinaryBuilder>(value, builder);
      case arrow::Type::LARGE_BINARY:
        return AppendBinary<arrow::LargeBinaryBuilder>(value, builder);
      case arrow::Type::TIMESTAMP:
        return AppendTimestamp(value, builder);
      case arrow::Type::DATE32:
        return AppendDate(value, builder);
      case arrow::Type::DATE64:
        return AppendDate64(value, builder);
      case arrow::Type::HALF_FLOAT: {
        arrow::FloatBuilder wide;
        ARROW_RETURN_NOT_OK(AppendFloat<arrow::FloatBuilder>(value, &wide));
        const auto half = arrow::util::Float16::FromFloat(wide.GetValue(0));
        return static_cast<arrow::HalfFloatBuilder*>(builder)->Append(half.bits());
      }
      case arrow::Type::FIXED_SIZE_BINARY:
        return AppendFixedSizeBinary(value, builder);
      case arrow::Type::DECIMAL128:
        return AppendDecimal<arrow::Decimal128Builder, arrow::Decimal128>(value, builder);
      case arrow::Type::DECIMAL256:
        return AppendDecimal<arrow::Decimal256Builder, arrow::Decimal256>(value, builder);
      case arrow::Type::LIST:
        return AppendList<arrow::ListBuilder>(value, builder);
      case arrow::Type::LARGE_LIST:
        return AppendList<arrow::LargeListBuilder>(value, builder);
      case arrow::Type::FIXED_SIZE_LIST:
        return AppendFixedSizeList(value, builder);
      case arrow::Type::MAP:
        return AppendMap(value, builder);
      case arrow::Type::STRUCT:
        return AppendStruct(value, builder);
      default:
        return Status::NotImplemented("column '", column_, "' of type ",
                                      builder->type()->ToString(),
                                      " can't be given as JSON; send an Arrow frame");
    }
  }

 private:
  Status Mismatch(const json::value& value, const arrow::ArrayBuilder& builder) const {
    return Status::TypeError("column '", column_, "' takes ", builder.type()->ToString(), ", not ",
                             ShortText(ToText(value)));
  }

  template <typename Builder>
  Status AppendInteger(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_number()) return Mismatch(value, *builder);
    json::error_code error;
    const auto number = value.to_number<typename Builder::value_type>(error);
    if (error) return Mismatch(value, *builder);
    return static_cast<Builder*>(builder)->Append(number);
  }

  template <typename Builder>
  Status AppendFloat(const json::value& value, arrow::ArrayBuilder* builder) const {
    using Float = typename Builder::value_type;
    Float number = 0;
    if (value.is_number()) {
      number = static_cast<Float>(value.to_number<double>());
    } else if (value.is_string() && View(value.as_string()) == "NaN") {
      number = std::numeric_limits<Float>::quiet_NaN();
    } else if (value.is_string() && View(value.as_string()) == "Infinity") {
      number = std::numeric_limits<Float>::infinity();
    } else if (value.is_string() && View(value.as_string()) == "-Infinity") {
      number = -std::numeric_limits<Float>::infinity();
    } else {
      return Mismatch(value, *builder);
    }
    return static_cast<Builder*>(builder)->Append(number);
  }

  template <typename Builder>
  Status AppendText(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_string()) return Mismatch(value, *builder);
    return static_cast<Builder*>(builder)->Append(View(value.as_string()));
  }

  Result<std::string> BytesOf(const json::value& value, const arrow::ArrayBuilder& builder) const {
    // TensorFlow Serving's and KServe's clients write {"b64": "…"}.
    const bool wrapped = value.is_object() && value.as_object().size() == 1;
    const json::value* text = wrapped ? value.as_object().if_contains("b64") : &value;
    if (text == nullptr || !text->is_string()) return Mismatch(value, builder);
    const Result<std::string> bytes = arrow::util::base64_decode(View(text->as_string()));
    if (bytes.ok()) return bytes;
    return Status::TypeError("column '", column_,
                             "' takes bytes as base64: ", bytes.status().message());
  }

  template <typename Builder>
  Status AppendBinary(const json::value& value, arrow::ArrayBuilder* builder) const {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, BytesOf(value, *builder));
    return static_cast<Builder*>(builder)->Append(bytes);
  }

  Status AppendFixedSizeBinary(const json::value& value, arrow::ArrayBuilder* builder) const {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, BytesOf(value, *builder));
    auto* fixed = static_cast<arrow::FixedSizeBinaryBuilder*>(builder);
    if (bytes.size() != static_cast<size_t>(fixed->byte_width())) return Mismatch(value, *builder);
    return fixed->Append(bytes);
  }

  Result<int64_t> Micros(const json::value& value, const arrow::ArrayBuilder& builder) const {
    if (value.is_int64()) return value.as_int64();
    if (!value.is_string()) return Mismatch(value, builder);
    const Result<int64_t> time_us = ParseTime(View(value.as_string()));
    if (!time_us.ok()) return Explain(time_us.status(), "column '" + std::string(column_) + "'");
    return *time_us;
  }

  Status AppendTimestamp(const json::value& value, arrow::ArrayBuilder* builder) const {
    ARROW_ASSIGN_OR_RAISE(int64_t time, Micros(value, *builder));
    const auto floor_divide = [](int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); };
    switch (static_cast<const arrow::TimestampType&>(*builder->type()).unit()) {
      case arrow::TimeUnit::SECOND:
        time = floor_divide(time, 1'000'000);
        break;
      case arrow::TimeUnit::MILLI:
        time = floor_divide(time, 1'000);
        break;
      case arrow::TimeUnit::MICRO:
        break;
      case arrow::TimeUnit::NANO:
        if (__builtin_mul_overflow(time, int64_t{1'000}, &time)) return Mismatch(value, *builder);
        break;
    }
    return static_cast<arrow::TimestampBuilder*>(builder)->Append(time);
  }

  Result<int64_t> Days(const json::value& value, const arrow::ArrayBuilder& builder) const {
    if (!value.is_string()) return Mismatch(value, builder);
    ARROW_ASSIGN_OR_RAISE(const int64_t time_us, Micros(value, builder));
    if (time_us % kMicrosPerDay != 0) return Mismatch(value, builder);
    return time_us / kMicrosPerDay;
  }

  Status AppendDate(const json::value& value, arrow::ArrayBuilder* builder) const {
    ARROW_ASSIGN_OR_RAISE(const int64_t days, Days(value, *builder));
    return static_cast<arrow::Date32Builder*>(builder)->Append(static_cast<int32_t>(days));
  }

  Status AppendDate64(const json::value& value, arrow::ArrayBuilder* builder) const {
    ARROW_ASSIGN_OR_RAISE(const int64_t days, Days(value, *builder));
    return static_cast<arrow::Date64Builder*>(builder)->Append(days * (kMicrosPerDay / 1000));
  }

  template <typename Builder, typename Decimal>
  Status AppendDecimal(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_string() && !value.is_number()) return Mismatch(value, *builder);
    const std::string text =
        value.is_string() ? std::string(View(value.as_string())) : ToText(value);
    const auto& type = static_cast<const arrow::DecimalType&>(*builder->type());
    Decimal decimal;
    int32_t precision = 0;
    int32_t scale = 0;
    if (!Decimal::FromString(text, &decimal, &precision, &scale).ok()) {
      return Mismatch(value, *builder);
    }
    const Result<Decimal> scaled = decimal.Rescale(scale, type.scale());
    if (!scaled.ok() || !scaled->FitsInPrecision(type.precision()))
      return Mismatch(value, *builder);
    return static_cast<Builder*>(builder)->Append(*scaled);
  }

  /// An object.
  Status AppendMap(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_object()) return Mismatch(value, *builder);
    auto& map = *static_cast<arrow::MapBuilder*>(builder);
    ARROW_RETURN_NOT_OK(map.Append());
    const bool texts = arrow::is_base_binary_like(map.key_builder()->type()->id());
    for (const auto& [key, item] : value.as_object()) {
      // Keys that are numbers or booleans are texts in JSON.
      const json::value text(key);
      const auto plain = texts ? Result<json::value>(text) : ParseJson(View(text.as_string()));
      ARROW_RETURN_NOT_OK(Append(plain.ok() ? *plain : text, map.key_builder()));
      ARROW_RETURN_NOT_OK(Append(item, map.item_builder()));
    }
    return Status::OK();
  }

  template <typename Builder>
  Status AppendList(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_array()) return Mismatch(value, *builder);
    auto* list = static_cast<Builder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    for (const json::value& item : value.as_array()) {
      ARROW_RETURN_NOT_OK(Append(item, list->value_builder()));
    }
    return Status::OK();
  }

  /// A tensor's row may be nested by its dimensions; its elements stand in row-major order.
  Status AppendFixedSizeList(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_array()) return Mismatch(value, *builder);
    const std::shared_ptr<arrow::DataType> made = builder->type();
    const auto& type = static_cast<const arrow::FixedSizeListType&>(*made);
    std::vector<const json::value*> items;
    const bool nested = arrow::is_list_like(type.value_type()->id());
    Flatten(value.as_array(), !nested, &items);
    if (items.size() != static_cast<size_t>(type.list_size())) {
      return Status::TypeError("column '", column_, "' takes ", type.ToString(), ", not ",
                               items.size(), " values: ", ShortText(ToText(value)));
    }
    auto* list = static_cast<arrow::FixedSizeListBuilder*>(builder);
    ARROW_RETURN_NOT_OK(list->Append());
    for (const json::value* item : items) {
      ARROW_RETURN_NOT_OK(Append(*item, list->value_builder()));
    }
    return Status::OK();
  }

  static void Flatten(const json::array& values, bool deep,
                      std::vector<const json::value*>* items) {
    for (const json::value& value : values) {
      if (deep && value.is_array()) {
        Flatten(value.as_array(), deep, items);
      } else {
        items->push_back(&value);
      }
    }
  }

  /// An object; members that it leaves out are null.
  Status AppendStruct(const json::value& value, arrow::ArrayBuilder* builder) const {
    if (!value.is_object()) return Mismatch(value, *builder);
    const json::object& object = value.as_object();
    auto& members = *static_cast<arrow::StructBuilder*>(builder);
    const std::shared_ptr<arrow::DataType> made = builder->type();
    const auto& type = static_cast<const arrow::StructType&>(*made);
    for (const auto& member : object) {
      if (type.GetFieldIndex(std::string(member.key())) < 0) return Mismatch(value, *builder);
    }
    ARROW_RETURN_NOT_OK(members.Append());
    for (int i = 0; i < type.num_fields(); ++i) {
      const json::value* member = object.if_contains(type.field(i)->name());
      ARROW_RETURN_NOT_OK(Append(member == nullptr ? kNull : *member, members.field_builder(i)));
    }
    return Status::OK();
  }

  const std::string_view column_;
};

Status NotRows(std::string_view noun, const json::value& value) {
  return Status::Invalid(noun, " must be an object of columns or a list of them, not ",
                         ShortText(ToText(value)));
}

/// How many members of a row are known; fewer than it has means that one is misspelt.
Status CheckColumns(std::string_view noun, const json::object& row, const arrow::Schema& known) {
  for (const auto& member : row) {
    const std::string name(member.key());
    if (known.GetFieldIndex(name) < 0) {
      return Status::KeyError(noun, " has no column '", ShortText(name), "'",
                              Suggest(name, known.field_names()));
    }
  }
  return Status::OK();
}

template <typename T>
bool NumberCell(const json::value& value, uint64_t* number, Cell* cell) {
  if (!value.is_number()) return false;
  json::error_code error;
  const auto exact = value.to_number<T>(error);
  if (error) return false;
  std::memcpy(number, &exact, sizeof(exact));
  *cell = {reinterpret_cast<const char*>(number), sizeof(exact)};
  return true;
}

}  // namespace

bool CellFromJson(const json::value& value, arrow::Type::type type, uint64_t* number, Cell* cell) {
  if (value.is_null()) return true;
  switch (type) {
    case arrow::Type::INT64:
      return NumberCell<int64_t>(value, number, cell);
    case arrow::Type::INT32:
      return NumberCell<int32_t>(value, number, cell);
    case arrow::Type::INT16:
      return NumberCell<int16_t>(value, number, cell);
    case arrow::Type::INT8:
      return NumberCell<int8_t>(value, number, cell);
    case arrow::Type::UINT64:
      return NumberCell<uint64_t>(value, number, cell);
    case arrow::Type::UINT32:
      return NumberCell<uint32_t>(value, number, cell);
    case arrow::Type::UINT16:
      return NumberCell<uint16_t>(value, number, cell);
    case arrow::Type::UINT8:
      return NumberCell<uint8_t>(value, number, cell);
    case arrow::Type::DOUBLE:
      return NumberCell<double>(value, number, cell);
    case arrow::Type::FLOAT: {
      if (!value.is_number()) return false;
      const auto near = static_cast<float>(value.to_number<double>());
      std::memcpy(number, &near, sizeof(near));
      *cell = {reinterpret_cast<const char*>(number), sizeof(near)};
      return true;
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      if (!value.is_string()) return false;
      *cell = {value.as_string().data(), static_cast<uint32_t>(value.as_string().size())};
      return true;
    default:
      return false;
  }
}

namespace {

/// One row; of each column a number and a cell.
bool RowCells(const json::object& row, const arrow::Schema& known, uint64_t* numbers,
              Cell* cells) {
  const int columns = known.num_fields();
  if (row.size() != static_cast<size_t>(columns)) return false;
  for (int i = 0; i < columns; ++i) {
    const auto& field = known.field(i);
    // Mostly they come in the columns' order.
    const auto& member = row.begin()[i];
    const json::value* value = member.key() == json::string_view(field->name())
                                   ? &member.value()
                                   : row.if_contains(field->name());
    if (value == nullptr || !CellFromJson(*value, field->type()->id(), numbers + i, cells + i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool CellsFromJson(const json::value& rows, const arrow::Schema& known, size_t most,
                   std::vector<Cell>* cells, std::vector<uint64_t>* numbers) {
  const json::array* list = rows.if_array();
  if (list == nullptr && !rows.is_object()) return false;
  const size_t count = list == nullptr ? 1 : list->size();
  if (count == 0 || count > most) return false;
  const auto columns = static_cast<size_t>(known.num_fields());
  if (columns == 0 && count > 1) return false;
  cells->assign(count * columns, Cell());
  numbers->resize(count * columns);
  for (size_t i = 0; i < count; ++i) {
    const json::object* row = list == nullptr ? &rows.as_object() : (*list)[i].if_object();
    if (row == nullptr ||
        !RowCells(*row, known, numbers->data() + i * columns, cells->data() + i * columns)) {
      return false;
    }
  }
  return true;
}

Result<std::shared_ptr<arrow::Array>> ArrayFromJson(std::string_view column,
                                                    const std::shared_ptr<arrow::DataType>& type,
                                                    const std::vector<const json::value*>& values) {
  ARROW_ASSIGN_OR_RAISE(const std::unique_ptr<arrow::ArrayBuilder> builder,
                        arrow::MakeBuilder(type));
  ARROW_RETURN_NOT_OK(builder->Reserve(static_cast<int64_t>(values.size())));
  const Appender appender(column);
  for (const json::value* value : values) {
    ARROW_RETURN_NOT_OK(appender.Append(value == nullptr ? kNull : *value, builder.get()));
  }
  return builder->Finish();
}

Result<std::shared_ptr<arrow::RecordBatch>> RowsFromJson(std::string_view noun,
                                                         const json::value& rows,
                                                         const arrow::Schema& known) {
  std::vector<const json::object*> objects;
  if (rows.is_object()) {
    objects.push_back(&rows.as_object());
  } else if (rows.is_array()) {
    objects.reserve(rows.as_array().size());
    for (const json::value& row : rows.as_array()) {
      if (!row.is_object()) return NotRows(noun, row);
      objects.push_back(&row.as_object());
    }
  } else {
    return NotRows(noun, rows);
  }
  for (const json::object* object : objects) {
    ARROW_RETURN_NOT_OK(CheckColumns(noun, *object, known));
  }
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  std::vector<const json::value*> values(objects.size());
  for (const auto& field : known.fields()) {
    bool appears = false;
    for (size_t i = 0; i < objects.size(); ++i) {
      values[i] = objects[i]->if_contains(field->name());
      appears = appears || values[i] != nullptr;
    }
    if (!appears) continue;
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(),
                          ArrayFromJson(field->name(), field->type(), values));
    fields.push_back(field->WithNullable(true));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                  static_cast<int64_t>(objects.size()), std::move(arrays));
}

}  // namespace tercet
