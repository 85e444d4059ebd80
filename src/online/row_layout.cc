#include "online/row_layout.h"

#include "base/hash.h"

namespace tercet {
namespace {

/// Sets kind and width of a scalar type; false when it is none.
bool ScalarSlot(const arrow::DataType& type, SlotKind* kind, uint32_t* width) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      *kind = SlotKind::kBool;
      *width = 1;
      return true;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      *kind = SlotKind::kBytes;
      *width = 4;
      return true;
    case arrow::Type::DICTIONARY:
    case arrow::Type::EXTENSION:
    case arrow::Type::FIXED_SIZE_LIST:
      return false;
    default:
      break;
  }
  if (!arrow::is_fixed_width(type.id())) return false;
  *kind = SlotKind::kFixed;
  *width = static_cast<uint32_t>(type.bit_width() / 8);
  return true;
}

bool IsList(const arrow::DataType& type) {
  return type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST ||
         type.id() == arrow::Type::FIXED_SIZE_LIST;
}

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
    RowSlot slot{.offset = offset};
    bool known = ScalarSlot(type, &slot.kind, &slot.width);
    if (!known && IsList(type)) {
      slot.kind = SlotKind::kList;
      slot.width = 4;
      known = ScalarSlot(*type.field(0)->type(), &slot.element, &slot.element_width);
    }
    if (!known) {
      return Status::TypeError("online store: column '", field->name(), "' has the type ",
                               type.ToString(), "; it keeps scalars and lists of scalars");
    }
    if (slot.kind == SlotKind::kBytes || slot.kind == SlotKind::kList) {
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
