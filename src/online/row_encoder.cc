#include "online/row_encoder.h"

#include <arrow/array.h>
#include <arrow/util/bit_util.h>

namespace tercet {
namespace {

constexpr size_t kMaxVariableBytes = size_t{1} << 31;

void PutU32(uint32_t value, char* at) { std::memcpy(at, &value, sizeof(value)); }

void AppendU32(uint32_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string_view BytesAt(const arrow::Array& array, int64_t i) {
  switch (array.type_id()) {
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetView(i);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray&>(array).GetView(i);
    default:
      return static_cast<const arrow::BinaryArray&>(array).GetView(i);
  }
}

const uint8_t* FixedAt(const arrow::Array& array, int64_t i, uint32_t width) {
  return array.data()->buffers[1]->data() + (array.offset() + i) * width;
}

/// The elements [begin, begin + count) of a list's values.
void AppendElements(const RowSlot& slot, const arrow::Array& values, int64_t begin, int64_t count,
                    std::string* out) {
  AppendU32(static_cast<uint32_t>(count), out);
  const size_t validity = out->size();
  out->append((count + 7) / 8, '\0');
  for (int64_t i = 0; i < count; ++i) {
    if (values.IsValid(begin + i)) (*out)[validity + i / 8] |= static_cast<char>(1 << (i % 8));
  }
  switch (slot.element) {
    case SlotKind::kBool:
      for (int64_t i = 0; i < count; ++i) {
        const auto& booleans = static_cast<const arrow::BooleanArray&>(values);
        out->push_back(values.IsValid(begin + i) && booleans.Value(begin + i) ? 1 : 0);
      }
      break;
    case SlotKind::kFixed:
      for (int64_t i = 0; i < count; ++i) {
        if (values.IsValid(begin + i)) {
          out->append(reinterpret_cast<const char*>(FixedAt(values, begin + i, slot.element_width)),
                      slot.element_width);
        } else {
          out->append(slot.element_width, '\0');
        }
      }
      break;
    default: {
      const size_t ends = out->size();
      out->append(count * 4, '\0');
      const size_t start = out->size();
      for (int64_t i = 0; i < count; ++i) {
        if (values.IsValid(begin + i)) out->append(BytesAt(values, begin + i));
        PutU32(static_cast<uint32_t>(out->size() - start), out->data() + ends + i * 4);
      }
    }
  }
}

void AppendList(const RowSlot& slot, const arrow::Array& array, int64_t i, std::string* out) {
  switch (array.type_id()) {
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      return AppendElements(slot, *list.values(), list.value_offset(i), list.value_length(i), out);
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return AppendElements(slot, *list.values(), list.value_offset(i), list.value_length(i), out);
    }
    default: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return AppendElements(slot, *list.values(), list.value_offset(i), list.value_length(i), out);
    }
  }
}

}  // namespace

Result<RowEncoder> RowEncoder::Make(std::shared_ptr<const RowLayout> layout,
                                    std::shared_ptr<arrow::RecordBatch> batch) {
  RowEncoder encoder;
  encoder.arrays_.reserve(layout->slots().size());
  for (const auto& field : layout->schema()->fields()) {
    std::shared_ptr<arrow::Array> array = batch->GetColumnByName(field->name());
    if (array != nullptr && !array->type()->Equals(*field->type())) {
      return Status::TypeError("online store: column '", field->name(), "' has the type ",
                               array->type()->ToString(), ", the group's is ",
                               field->type()->ToString());
    }
    encoder.arrays_.push_back(std::move(array));
  }
  encoder.layout_ = std::move(layout);
  encoder.batch_ = std::move(batch);
  return encoder;
}

Status RowEncoder::Append(int64_t i, std::string* out) const {
  const size_t start = out->size();
  out->append(layout_->fixed_end(), '\0');
  const size_t variable = out->size();
  for (size_t c = 0; c < arrays_.size(); ++c) {
    const RowSlot& slot = layout_->slots()[c];
    const arrow::Array* array = arrays_[c].get();
    const bool valid = array != nullptr && array->IsValid(i);
    if (valid) (*out)[start + c / 8] |= static_cast<char>(1 << (c % 8));
    switch (slot.kind) {
      case SlotKind::kBool:
        if (valid) {
          (*out)[start + slot.offset] =
              static_cast<const arrow::BooleanArray*>(array)->Value(i) ? 1 : 0;
        }
        break;
      case SlotKind::kFixed:
        if (valid && slot.width > 0) {
          std::memcpy(out->data() + start + slot.offset, FixedAt(*array, i, slot.width),
                      slot.width);
        }
        break;
      case SlotKind::kBytes:
      case SlotKind::kList:
        if (valid && slot.kind == SlotKind::kBytes) out->append(BytesAt(*array, i));
        if (valid && slot.kind == SlotKind::kList) AppendList(slot, *array, i, out);
        if (out->size() - variable > kMaxVariableBytes) {
          return Status::CapacityError(
              "online store: a row has over 2 GiB in its strings and lists");
        }
        PutU32(static_cast<uint32_t>(out->size() - variable), out->data() + start + slot.offset);
    }
  }
  return Status::OK();
}

}  // namespace tercet
