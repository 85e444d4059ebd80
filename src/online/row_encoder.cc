#include "online/row_encoder.h"

#include <arrow/array.h>

#include "online/row_nested.h"

namespace tercet {
namespace {

constexpr size_t kMaxVariableBytes = size_t{1} << 31;

/// Notes in the slot of a value of variable size that it ends with the row.
Status PutEnd(size_t variable, char* slot, const std::string& row) {
  const size_t size = row.size() - variable;
  if (size > kMaxVariableBytes) {
    return Status::CapacityError(
        "online store: a row has over 2 GiB in its strings, lists, structs and maps");
  }
  const auto end = static_cast<uint32_t>(size);
  std::memcpy(slot, &end, sizeof(end));
  return Status::OK();
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
      case SlotKind::kNested:
        if (valid && slot.kind == SlotKind::kBytes) out->append(BytesAt(*array, i));
        if (valid && slot.kind == SlotKind::kNested) AppendNested(*array, i, out);
        ARROW_RETURN_NOT_OK(PutEnd(variable, out->data() + start + slot.offset, *out));
    }
  }
  return Status::OK();
}

Status AppendRow(const RowLayout& layout, std::span<const Cell> cells, std::string* out) {
  const size_t start = out->size();
  out->append(layout.fixed_end(), '\0');
  const size_t variable = out->size();
  for (size_t c = 0; c < cells.size(); ++c) {
    const RowSlot& slot = layout.slots()[c];
    const Cell& cell = cells[c];
    if (!cell.null()) (*out)[start + c / 8] |= static_cast<char>(1 << (c % 8));
    if (slot.kind == SlotKind::kBytes || slot.kind == SlotKind::kNested) {
      if (!cell.null()) out->append(cell.bytes());
      ARROW_RETURN_NOT_OK(PutEnd(variable, out->data() + start + slot.offset, *out));
    } else if (!cell.null()) {
      std::memcpy(out->data() + start + slot.offset, cell.data, slot.width);
    }
  }
  return Status::OK();
}

}  // namespace tercet
