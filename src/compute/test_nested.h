#pragma once

#include <memory>
#include <random>
#include <string>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// Random types and values for property tests: lists, structs and maps in each other, with nulls at
/// every level, empty lists, and maps without a key twice.
class NestedRandom {
 public:
  explicit NestedRandom(uint32_t seed) : random_(seed) {}

  std::mt19937& random() { return random_; }
  int64_t Below(int64_t bound) {
    return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_);
  }

  std::shared_ptr<arrow::DataType> Scalar() {
    switch (Below(10)) {
      case 0:
        return arrow::boolean();
      case 1:
        return arrow::int8();
      case 2:
        return arrow::uint32();
      case 3:
        return arrow::float64();
      case 4:
        return arrow::large_utf8();
      case 5:
        return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
      case 6:
        return arrow::decimal128(12, 3);
      case 7:
        return arrow::fixed_size_binary(3);
      case 8:
        return arrow::date32();
      default:
        return arrow::utf8();
    }
  }

  /// A list, struct or map whose parts nest at most `depth` types more.
  std::shared_ptr<arrow::DataType> Nested(int depth) {
    const auto part = [&] { return depth > 0 && Below(2) == 0 ? Nested(depth - 1) : Scalar(); };
    switch (Below(5)) {
      case 0:
        return arrow::list(part());
      case 1:
        return arrow::large_list(part());
      case 2:
        return arrow::fixed_size_list(part(), static_cast<int32_t>(1 + Below(3)));
      case 3:
        return arrow::map(Below(2) == 0 ? arrow::utf8() : arrow::int32(), part());
      default: {
        arrow::FieldVector members;
        for (int64_t m = 1 + Below(3); m > 0; --m) {
          members.push_back(arrow::field("m" + std::to_string(m), part()));
        }
        return arrow::struct_(std::move(members));
      }
    }
  }

  Result<std::shared_ptr<arrow::Array>> Values(const std::shared_ptr<arrow::DataType>& type,
                                               int64_t rows) {
    ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type));
    for (int64_t i = 0; i < rows; ++i) ARROW_RETURN_NOT_OK(Append(builder.get()));
    return builder->Finish();
  }

 private:
  template <typename Builder>
  Status AppendNumber(arrow::ArrayBuilder* builder) {
    using Number = typename Builder::value_type;
    return static_cast<Builder*>(builder)->Append(static_cast<Number>(Below(100)));
  }

  Status Append(arrow::ArrayBuilder* builder) {
    if (Below(5) == 0) return builder->AppendNull();
    const std::string text(static_cast<size_t>(Below(6)), static_cast<char>('a' + Below(26)));
    switch (builder->type()->id()) {
      case arrow::Type::BOOL:
        return static_cast<arrow::BooleanBuilder*>(builder)->Append(Below(2) == 0);
      case arrow::Type::INT8:
        return AppendNumber<arrow::Int8Builder>(builder);
      case arrow::Type::INT32:
        return AppendNumber<arrow::Int32Builder>(builder);
      case arrow::Type::UINT32:
        return AppendNumber<arrow::UInt32Builder>(builder);
      case arrow::Type::DOUBLE:
        return AppendNumber<arrow::DoubleBuilder>(builder);
      case arrow::Type::DATE32:
        return AppendNumber<arrow::Date32Builder>(builder);
      case arrow::Type::TIMESTAMP:
        return AppendNumber<arrow::TimestampBuilder>(builder);
      case arrow::Type::DECIMAL128:
        return static_cast<arrow::Decimal128Builder*>(builder)->Append(arrow::Decimal128(Below(9)));
      case arrow::Type::FIXED_SIZE_BINARY:
        return static_cast<arrow::FixedSizeBinaryBuilder*>(builder)->Append(text + "xyz");
      case arrow::Type::LARGE_STRING:
        return static_cast<arrow::LargeStringBuilder*>(builder)->Append(text);
      case arrow::Type::STRING:
        return static_cast<arrow::StringBuilder*>(builder)->Append(text);
      default:
        return AppendNested(builder);
    }
  }

  Status AppendElements(arrow::ArrayBuilder* elements, int64_t count) {
    for (; count > 0; --count) ARROW_RETURN_NOT_OK(Append(elements));
    return Status::OK();
  }

  Status AppendNested(arrow::ArrayBuilder* builder) {
    const auto type = builder->type();
    switch (type->id()) {
      case arrow::Type::LIST: {
        auto* list = static_cast<arrow::ListBuilder*>(builder);
        ARROW_RETURN_NOT_OK(list->Append());
        return AppendElements(list->value_builder(), Below(4));
      }
      case arrow::Type::LARGE_LIST: {
        auto* list = static_cast<arrow::LargeListBuilder*>(builder);
        ARROW_RETURN_NOT_OK(list->Append());
        return AppendElements(list->value_builder(), Below(4));
      }
      case arrow::Type::FIXED_SIZE_LIST: {
        auto* list = static_cast<arrow::FixedSizeListBuilder*>(builder);
        ARROW_RETURN_NOT_OK(list->Append());
        return AppendElements(list->value_builder(),
                              static_cast<const arrow::FixedSizeListType&>(*type).list_size());
      }
      case arrow::Type::MAP: {
        auto* map = static_cast<arrow::MapBuilder*>(builder);
        ARROW_RETURN_NOT_OK(map->Append());
        int64_t key = Below(10);
        for (int64_t count = Below(4); count > 0; --count, key += 1 + Below(9)) {
          auto* keys = map->key_builder();
          ARROW_RETURN_NOT_OK(
              keys->type()->id() == arrow::Type::INT32
                  ? static_cast<arrow::Int32Builder*>(keys)->Append(static_cast<int32_t>(key))
                  : static_cast<arrow::StringBuilder*>(keys)->Append(std::to_string(key)));
          ARROW_RETURN_NOT_OK(Append(map->item_builder()));
        }
        return Status::OK();
      }
      default: {
        auto* structs = static_cast<arrow::StructBuilder*>(builder);
        ARROW_RETURN_NOT_OK(structs->Append());
        for (int m = 0; m < structs->num_fields(); ++m) {
          ARROW_RETURN_NOT_OK(Append(structs->field_builder(m)));
        }
        return Status::OK();
      }
    }
  }

  std::mt19937 random_;
};

}  // namespace tercet
