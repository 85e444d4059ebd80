#include "online/row_encoder.h"

#include <arrow/array.h>

#include "online/row_nested.h"

namespace tercet {
namespace {

constexpr size_t kMaxVariableBytes = size_t{1} << 31;

void PutU32(uint32_t value, char* at) { std::memcpy(at, &value, sizeof(value)); }

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
      case SlotKind::kNested:
        if (valid && slot.kind == SlotKind::kBytes) out->append(BytesAt(*array, i));
        if (valid && slot.kind == SlotKind::kNested) AppendNested(*array, i, out);
        if (out->size() - variable > kMaxVariableBytes) {
          return Status::CapacityError(
              "online store: a row has over 2 GiB in its strings, lists, structs and maps");
        }
        PutU32(static_cast<uint32_t>(out->size() - variable), out->data() + start + slot.offset);
    }
  }
  return Status::OK();
}

}  // namespace tercet
