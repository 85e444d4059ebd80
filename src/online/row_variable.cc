#include "online/row_variable.h"

#include <limits>

#include <arrow/builder.h>
#include <arrow/util/bit_util.h>

#include "online/row_nested.h"

namespace tercet {
namespace {

using arrow::ArrayData;

uint32_t GetU32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

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

}  // namespace

std::optional<std::string_view> VariableBytes(const RowSlot& slot, uint32_t fixed_end,
                                              std::string_view row) {
  const uint32_t start = slot.previous < 0 ? 0 : GetU32(row.data() + slot.previous);
  const uint32_t end = GetU32(row.data() + slot.offset);
  if (start > end || end > row.size() - fixed_end) return std::nullopt;
  return row.substr(fixed_end + start, end - start);
}

Result<std::shared_ptr<ArrayData>> GatherVariable(const std::shared_ptr<arrow::DataType>& type,
                                                  std::span<const std::string_view> values) {
  switch (type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return GatherBytes<int32_t>(type, values);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return GatherBytes<int64_t>(type, values);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return GatherViews(type, values);
    default:
      return GatherNested(type, values);
  }
}

}  // namespace tercet
