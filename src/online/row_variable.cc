#include "online/row_variable.h"

#include <limits>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer_builder.h>
#include <arrow/builder.h>
#include <arrow/util/bit_util.h>

namespace tercet {
namespace {

using arrow::ArrayData;

uint32_t GetU32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

Status Corrupt() { return Status::IOError("online store: a stored list is corrupt"); }

struct Validity {
  std::shared_ptr<arrow::Buffer> bits;  ///< null when nothing is null
  int64_t null_count = 0;
};

Result<Validity> ValidityOf(std::span<const std::string_view> values) {
  Validity validity;
  for (const std::string_view value : values) validity.null_count += value.data() == nullptr;
  if (validity.null_count == 0) return validity;
  ARROW_ASSIGN_OR_RAISE(validity.bits, arrow::AllocateEmptyBitmap(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].data() != nullptr) arrow::bit_util::SetBit(validity.bits->mutable_data(), i);
  }
  return validity;
}

template <typename Offset>
Result<std::shared_ptr<ArrayData>> GatherBytes(const std::shared_ptr<arrow::DataType>& type,
                                               std::span<const std::string_view> values) {
  ARROW_ASSIGN_OR_RAISE(Validity validity, ValidityOf(values));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                        arrow::AllocateBuffer((values.size() + 1) * sizeof(Offset)));
  auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data());
  uint64_t total = 0;
  ends[0] = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    total += values[i].size();
    if (total > static_cast<uint64_t>(std::numeric_limits<Offset>::max())) {
      return Status::CapacityError("online read: the strings of ", values.size(), " rows of type ",
                                   type->ToString(), " exceed 2 GiB; ask for fewer rows at once");
    }
    ends[i + 1] = static_cast<Offset>(total);
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(total));
  uint8_t* out = bytes->mutable_data();
  for (const std::string_view value : values) {
    if (!value.empty()) std::memcpy(out, value.data(), value.size());
    out += value.size();
  }
  return ArrayData::Make(type, values.size(), {validity.bits, offsets, bytes}, validity.null_count);
}

Status AppendBytes(const arrow::DataType& type, std::string_view value,
                   arrow::ArrayBuilder* builder) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<arrow::BinaryBuilder*>(builder)->Append(value);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return static_cast<arrow::LargeBinaryBuilder*>(builder)->Append(value);
    default:
      return static_cast<arrow::BinaryViewBuilder*>(builder)->Append(value);
  }
}

Result<std::shared_ptr<ArrayData>> GatherViews(const std::shared_ptr<arrow::DataType>& type,
                                               std::span<const std::string_view> values) {
  ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type));
  for (const std::string_view value : values) {
    ARROW_RETURN_NOT_OK(value.data() == nullptr ? builder->AppendNull()
                                                : AppendBytes(*type, value, builder.get()));
  }
  std::shared_ptr<ArrayData> data;
  ARROW_RETURN_NOT_OK(builder->FinishInternal(&data));
  return data;
}

/// The elements of all lists of a column, one after the other.
class Elements {
 public:
  static Result<Elements> Make(const std::shared_ptr<arrow::DataType>& type, const RowSlot& slot) {
    Elements elements;
    elements.type_ = type;
    elements.slot_ = slot;
    if (slot.element != SlotKind::kFixed) {
      ARROW_ASSIGN_OR_RAISE(elements.builder_, arrow::MakeBuilder(type));
    }
    return elements;
  }

  int64_t size() const { return size_; }

  Status AppendNulls(int64_t count) {
    size_ += count;
    if (builder_ != nullptr) return builder_->AppendNulls(count);
    ARROW_RETURN_NOT_OK(validity_.Append(count, false));
    return values_.Append(count * slot_.element_width, uint8_t{0});
  }

  /// Appends one list's elements and returns how many.
  Result<int64_t> AppendList(std::string_view list) {
    if (list.size() < 4) return Corrupt();
    const uint64_t count = GetU32(list.data());
    const uint64_t bitmap_bytes = (count + 7) / 8;
    const uint64_t each = slot_.element == SlotKind::kBytes ? 4 : slot_.element_width;
    if (list.size() - 4 < bitmap_bytes + count * each) return Corrupt();
    const auto* bitmap = reinterpret_cast<const uint8_t*>(list.data() + 4);
    const std::string_view body = list.substr(4 + bitmap_bytes);
    size_ += static_cast<int64_t>(count);
    switch (slot_.element) {
      case SlotKind::kFixed:
        // Room for all at once: an embedding has hundreds.
        ARROW_RETURN_NOT_OK(validity_.Reserve(static_cast<int64_t>(count)));
        for (uint64_t i = 0; i < count; ++i) {
          validity_.UnsafeAppend(arrow::bit_util::GetBit(bitmap, i));
        }
        ARROW_RETURN_NOT_OK(values_.Append(body.data(), count * each));
        break;
      case SlotKind::kBool:
        for (uint64_t i = 0; i < count; ++i) {
          auto* booleans = static_cast<arrow::BooleanBuilder*>(builder_.get());
          ARROW_RETURN_NOT_OK(arrow::bit_util::GetBit(bitmap, i) ? booleans->Append(body[i] != 0)
                                                                 : booleans->AppendNull());
        }
        break;
      default:
        ARROW_RETURN_NOT_OK(AppendStrings(count, bitmap, body));
    }
    return static_cast<int64_t>(count);
  }

  Result<std::shared_ptr<ArrayData>> Finish() {
    std::shared_ptr<ArrayData> data;
    if (builder_ != nullptr) {
      ARROW_RETURN_NOT_OK(builder_->FinishInternal(&data));
      return data;
    }
    const int64_t nulls = validity_.false_count();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits, validity_.Finish());
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, values_.Finish());
    return ArrayData::Make(type_, size_, {nulls == 0 ? nullptr : bits, values}, nulls);
  }

 private:
  Status AppendStrings(uint64_t count, const uint8_t* bitmap, std::string_view body) {
    const std::string_view bytes = body.substr(count * 4);
    uint32_t start = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t end = GetU32(body.data() + i * 4);
      if (end < start || end > bytes.size()) return Corrupt();
      ARROW_RETURN_NOT_OK(
          arrow::bit_util::GetBit(bitmap, i)
              ? AppendBytes(*type_, bytes.substr(start, end - start), builder_.get())
              : builder_->AppendNull());
      start = end;
    }
    return Status::OK();
  }

  std::shared_ptr<arrow::DataType> type_;
  RowSlot slot_;
  int64_t size_ = 0;
  std::unique_ptr<arrow::ArrayBuilder> builder_;  // booleans, strings; null for fixed values
  arrow::BufferBuilder values_;
  arrow::TypedBufferBuilder<bool> validity_;
};

template <typename Offset>
Result<std::shared_ptr<ArrayData>> GatherLists(const std::shared_ptr<arrow::DataType>& type,
                                               const RowSlot& slot,
                                               std::span<const std::string_view> values) {
  ARROW_ASSIGN_OR_RAISE(Validity validity, ValidityOf(values));
  ARROW_ASSIGN_OR_RAISE(Elements elements, Elements::Make(type->field(0)->type(), slot));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                        arrow::AllocateBuffer((values.size() + 1) * sizeof(Offset)));
  auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data());
  ends[0] = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].data() != nullptr) {
      ARROW_RETURN_NOT_OK(elements.AppendList(values[i]));
      if (elements.size() > std::numeric_limits<Offset>::max()) {
        return Status::CapacityError("online read: the lists of ", values.size(),
                                     " rows have too many elements; ask for fewer rows at once");
      }
    }
    ends[i + 1] = static_cast<Offset>(elements.size());
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> child, elements.Finish());
  return ArrayData::Make(type, values.size(), {validity.bits, offsets}, {std::move(child)},
                         validity.null_count);
}

Result<std::shared_ptr<ArrayData>> GatherFixedSizeLists(
    const std::shared_ptr<arrow::DataType>& type, const RowSlot& slot,
    std::span<const std::string_view> values) {
  const int64_t size = static_cast<const arrow::FixedSizeListType&>(*type).list_size();
  ARROW_ASSIGN_OR_RAISE(Validity validity, ValidityOf(values));
  ARROW_ASSIGN_OR_RAISE(Elements elements, Elements::Make(type->field(0)->type(), slot));
  for (const std::string_view value : values) {
    if (value.data() == nullptr) {
      ARROW_RETURN_NOT_OK(elements.AppendNulls(size));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t count, elements.AppendList(value));
    if (count != size) return Corrupt();
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> child, elements.Finish());
  return ArrayData::Make(type, values.size(), {validity.bits}, {std::move(child)},
                         validity.null_count);
}

}  // namespace

std::optional<std::string_view> VariableBytes(const RowSlot& slot, uint32_t fixed_end,
                                              std::string_view row) {
  const uint32_t start = slot.previous < 0 ? 0 : GetU32(row.data() + slot.previous);
  const uint32_t end = GetU32(row.data() + slot.offset);
  if (start > end || end > row.size() - fixed_end) return std::nullopt;
  return row.substr(fixed_end + start, end - start);
}

Result<std::shared_ptr<ArrayData>> GatherVariable(const std::shared_ptr<arrow::DataType>& type,
                                                  const RowSlot& slot,
                                                  std::span<const std::string_view> values) {
  switch (type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return GatherBytes<int32_t>(type, values);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return GatherBytes<int64_t>(type, values);
    case arrow::Type::LIST:
      return GatherLists<int32_t>(type, slot, values);
    case arrow::Type::LARGE_LIST:
      return GatherLists<int64_t>(type, slot, values);
    case arrow::Type::FIXED_SIZE_LIST:
      return GatherFixedSizeLists(type, slot, values);
    default:
      return GatherViews(type, values);
  }
}

}  // namespace tercet
