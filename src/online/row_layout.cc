#include "online/row_layout.h"

#include "base/hash.h"
#include "online/row_nested.h"

namespace tercet {
namespace {

uint32_t Fingerprint(const arrow::Schema& schema) {
  std::string text;
  for (const auto& field : schema.fields()) {
    text += field->name();
    text += '\0';
    text += field->type()->ToString();
    text += '\0';
  }
  return static_cast<uint32_t>(Hash64(text));
}

}  // namespace

Result<std::shared_ptr<const RowLayout>> RowLayout::Make(std::shared_ptr<arrow::Schema> schema) {
  auto layout = std::make_shared<RowLayout>();
  layout->schema_ = std::move(schema);
  const int columns = layout->schema_->num_fields();
  layout->validity_bytes_ = static_cast<uint32_t>((columns + 7) / 8);
  uint32_t offset = layout->validity_bytes_;
  int32_t previous = -1;
  for (const auto& field : layout->schema_->fields()) {
    const arrow::DataType& type = *field->type();
    if (!IsKeptInRows(type)) {
      return Status::TypeError("online store: column '", field->name(), "' has the type ",
                               type.ToString(), "; it keeps scalars, and lists, structs and maps ",
                               "of scalars");
    }
    RowSlot slot{.width = FixedWidthOf(type), .offset = offset};
    if (type.id() == arrow::Type::BOOL) {
      slot.kind = SlotKind::kBool;
      slot.width = 1;
    } else if (slot.width == 0) {
      slot.kind = arrow::is_nested(type.id()) ? SlotKind::kNested : SlotKind::kBytes;
      slot.width = 4;
      slot.previous = previous;
      previous = static_cast<int32_t>(offset);
    }
    offset += slot.width;
    layout->slots_.push_back(slot);
  }
  layout->fixed_end_ = offset;
  layout->fingerprint_ = Fingerprint(*layout->schema_);
  return layout;
}

}  // namespace tercet
