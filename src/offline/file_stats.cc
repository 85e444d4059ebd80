#include "offline/file_stats.h"

#include <cmath>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_aggregate.h>
#include <arrow/scalar.h>
#include <fmt/format.h>

#include "base/time_text.h"
#include "base/utf8.h"

namespace tercet {
namespace {

using arrow::Type;

constexpr size_t kMaxTextCharacters = 32;

template <typename ArrayType>
bool HasNan(const arrow::Array& array) {
  const auto& floats = static_cast<const ArrayType&>(array);
  const auto* values = floats.raw_values();
  // Without a branch the compiler can look at several at once; slots of nulls may be NaN.
  bool any = false;
  for (int64_t i = 0; i < floats.length(); ++i) any |= values[i] != values[i];
  for (int64_t i = 0; any && i < floats.length(); ++i) {
    if (std::isnan(values[i]) && floats.IsValid(i)) return true;
  }
  return false;
}

/// The byte length of at most `count` characters of UTF-8.
size_t CharactersEnd(std::string_view text, size_t count) {
  size_t end = 0;
  while (end < text.size() && count-- > 0) {
    ++end;
    while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) ++end;
  }
  return end;
}

/// A text not before `text`, or nullopt; U+10FFFF at the end is after any other continuation.
std::string TextBound(std::string_view text, bool upper) {
  const size_t end = CharactersEnd(text, kMaxTextCharacters);
  std::string bound(text.substr(0, end));
  if (upper && end < text.size()) bound += "\xF4\x8F\xBF\xBF";
  return bound;
}

std::string DateText(int32_t days) {
  return FormatTime(int64_t{days} * 86'400'000'000).substr(0, 10);
}

std::string MillisText(int64_t time_us, bool upper, bool zoned) {
  int64_t ms = time_us / 1000;
  const int64_t rest = time_us % 1000;
  if (upper && rest > 0) ++ms;
  if (!upper && rest < 0) --ms;
  std::string text = FormatTime(ms / 1000 * 1'000'000 - (ms % 1000 < 0 ? 1'000'000 : 0));
  text.pop_back();  // the Z
  return fmt::format("{}.{:03d}{}", text, (ms % 1000 + 1000) % 1000, zoned ? "Z" : "");
}

/// A bound as a JSON value; null when it has none.
json::value Bound(const arrow::Scalar& scalar, bool upper) {
  switch (scalar.type->id()) {
    case Type::INT8:
      return static_cast<const arrow::Int8Scalar&>(scalar).value;
    case Type::INT16:
      return static_cast<const arrow::Int16Scalar&>(scalar).value;
    case Type::INT32:
      return static_cast<const arrow::Int32Scalar&>(scalar).value;
    case Type::INT64:
      return static_cast<const arrow::Int64Scalar&>(scalar).value;
    case Type::FLOAT: {
      const double value = static_cast<const arrow::FloatScalar&>(scalar).value;
      return std::isfinite(value) ? json::value(value) : json::value();
    }
    case Type::DOUBLE: {
      const double value = static_cast<const arrow::DoubleScalar&>(scalar).value;
      return std::isfinite(value) ? json::value(value) : json::value();
    }
    case Type::STRING: {
      const std::string_view text = static_cast<const arrow::StringScalar&>(scalar).view();
      // JSON has no other text, and what stood in its place would be no bound.
      return IsUtf8(text) ? json::value(TextBound(text, upper)) : json::value();
    }
    case Type::DATE32: {
      const int32_t days = static_cast<const arrow::Date32Scalar&>(scalar).value;
      // Beyond the years 1 to 9999 engines don't agree on the text.
      if (days < -719162 || days > 2932896) return {};
      return json::value(DateText(days));
    }
    case Type::TIMESTAMP: {
      const int64_t time_us = static_cast<const arrow::TimestampScalar&>(scalar).value;
      if (time_us < -62135596800000000 || time_us > 253402300799000000) return {};
      const auto& type = static_cast<const arrow::TimestampType&>(*scalar.type);
      return json::value(MillisText(time_us, upper, !type.timezone().empty()));
    }
    default:
      return {};
  }
}

bool HasBounds(const arrow::Array& array) {
  switch (array.type_id()) {
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::STRING:
    case Type::DATE32:
    case Type::TIMESTAMP:
      return true;
    case Type::FLOAT:
      return !HasNan<arrow::FloatArray>(array);
    case Type::DOUBLE:
      return !HasNan<arrow::DoubleArray>(array);
    default:
      return false;
  }
}

}  // namespace

std::vector<FileStats::Column> FileStats::ColumnsOf(const arrow::FieldVector& fields) {
  std::vector<Column> columns;
  for (const auto& field : fields) {
    columns.push_back({.name = field->name()});
    if (field->type()->id() == Type::STRUCT) {
      columns.back().members = ColumnsOf(field->type()->fields());
    }
  }
  return columns;
}

Status FileStats::Add(const arrow::RecordBatch& stored) {
  if (columns_.empty()) columns_ = ColumnsOf(stored.schema()->fields());
  rows_ += stored.num_rows();
  for (int i = 0; i < stored.num_columns(); ++i) {
    ARROW_RETURN_NOT_OK(Add(stored.column(i), &columns_[static_cast<size_t>(i)]));
  }
  return Status::OK();
}

Status FileStats::Add(const std::shared_ptr<arrow::Array>& array, Column* column) {
  if (!column->members.empty()) {
    ARROW_ASSIGN_OR_RAISE(const arrow::ArrayVector members,
                          static_cast<const arrow::StructArray&>(*array).Flatten());
    for (size_t i = 0; i < members.size(); ++i) {
      ARROW_RETURN_NOT_OK(Add(members[i], &column->members[i]));
    }
    return Status::OK();
  }
  column->nulls += array->null_count();
  if (array->null_count() == array->length() || !column->bounded) return Status::OK();
  column->bounded = HasBounds(*array);
  if (!column->bounded) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum bounds, arrow::compute::MinMax(array));
  for (const auto& bound : static_cast<const arrow::StructScalar&>(*bounds.scalar()).value) {
    column->extremes.push_back(bound);
  }
  return Status::OK();
}

Status FileStats::Put(const std::vector<Column>& columns, json::object* minima,
                      json::object* maxima, json::object* nulls) {
  for (const Column& column : columns) {
    if (!column.members.empty()) {
      json::object least, most, counts;
      ARROW_RETURN_NOT_OK(Put(column.members, &least, &most, &counts));
      if (!least.empty()) {
        (*minima)[column.name] = std::move(least);
        (*maxima)[column.name] = std::move(most);
      }
      (*nulls)[column.name] = std::move(counts);
      continue;
    }
    (*nulls)[column.name] = column.nulls;
    if (!column.bounded || column.extremes.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(column.extremes[0]->type));
    for (const auto& extreme : column.extremes) {
      ARROW_RETURN_NOT_OK(builder->AppendScalar(*extreme));
    }
    ARROW_ASSIGN_OR_RAISE(const auto extremes, builder->Finish());
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum bounds, arrow::compute::MinMax(extremes));
    const auto& both = static_cast<const arrow::StructScalar&>(*bounds.scalar());
    json::value low = Bound(*both.value[0], false), high = Bound(*both.value[1], true);
    if (low.is_null() || high.is_null()) continue;
    (*minima)[column.name] = std::move(low);
    (*maxima)[column.name] = std::move(high);
  }
  return Status::OK();
}

Result<std::string> FileStats::Text() const {
  json::object minima, maxima, nulls;
  ARROW_RETURN_NOT_OK(Put(columns_, &minima, &maxima, &nulls));
  return ToText(json::object{{"numRecords", rows_},
                             {"minValues", std::move(minima)},
                             {"maxValues", std::move(maxima)},
                             {"nullCount", std::move(nulls)}});
}

Result<std::string> StatsText(const arrow::RecordBatch& stored) {
  FileStats stats;
  ARROW_RETURN_NOT_OK(stats.Add(stored));
  return stats.Text();
}

}  // namespace tercet
