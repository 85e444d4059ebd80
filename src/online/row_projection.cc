#include "online/row_projection.h"

#include <cstring>

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/util/bit_util.h>

#include "base/name.h"
#include "online/row_variable.h"

namespace tercet {
namespace {

Status CorruptRow() {
  return Status::IOError(
      "online store: a stored row is corrupt; remove the online store's folder "
      "to have it rebuilt from the offline tables");
}

}  // namespace

/// The validity bits of all columns; none where the layout lacks one.
std::vector<RowProjection::Bits> RowProjection::AllBits(const std::vector<Source>& sources) {
  std::vector<Bits> all;
  for (const Source& source : sources) {
    if (source.slot == nullptr) return {};
    if (all.empty() || all.back().byte != source.validity_byte) {
      all.push_back({.byte = source.validity_byte});
    }
    all.back().mask |= source.validity_bit;
  }
  return all;
}

/// What one Gather fills.
struct RowProjection::Blocks {
  std::vector<std::shared_ptr<arrow::Buffer>> values;    // one a block
  std::vector<std::shared_ptr<arrow::Buffer>> validity;  // one a block; null: no nulls so far
  std::vector<int64_t> null_counts;                      // one a column
};

Result<std::shared_ptr<const RowProjection>> RowProjection::Make(
    const std::vector<std::shared_ptr<const RowLayout>>& layouts,
    const std::vector<std::string>& columns, std::string_view group) {
  auto projection = std::make_shared<RowProjection>();
  const arrow::Schema& newest = *layouts.back()->schema();
  projection->columns_ = columns;
  projection->layouts_ = layouts;
  arrow::FieldVector fields;
  for (const std::string& column : columns) {
    const int field = newest.GetFieldIndex(column);
    if (field < 0) {
      return Status::KeyError("feature group '", group, "' has no column '", column, "'",
                              Suggest(column, newest.field_names()));
    }
    fields.push_back(newest.field(field)->WithNullable(true));
    const RowSlot& slot = layouts.back()->slots()[field];
    Column place;
    if (slot.kind == SlotKind::kBool || slot.kind == SlotKind::kFixed) {
      const uint32_t width = slot.kind == SlotKind::kBool ? 0 : slot.width;
      auto& blocks = projection->blocks_;
      while (++place.block < static_cast<int>(blocks.size()) &&
             blocks[place.block].width != width) {
      }
      if (place.block == static_cast<int>(blocks.size())) blocks.push_back({.width = width});
      place.index = blocks[place.block].columns++;
    }
    projection->places_.push_back(place);
    projection->widths_.push_back(place.block < 0 ? 0 : slot.width);
  }
  projection->schema_ = arrow::schema(std::move(fields));
  for (const auto& layout : layouts) {
    std::vector<Source>& sources = projection->sources_.emplace_back();
    for (const std::string& column : columns) {
      const int field = layout->schema()->GetFieldIndex(column);
      Source source;
      if (field >= 0) {
        source = {.slot = &layout->slots()[field],
                  .validity_byte = static_cast<uint32_t>(field / 8),
                  .validity_bit = static_cast<uint8_t>(1 << (field % 8))};
      }
      sources.push_back(source);
    }
    projection->bits_.push_back(AllBits(sources));
  }
  return projection;
}

Status RowProjection::FillFixed(std::span<const StoredRow> rows, Blocks* blocks) const {
  const auto n = static_cast<int64_t>(rows.size());
  for (int64_t i = 0; i < n; ++i) {
    const StoredRow& row = rows[i];
    const std::vector<Source>* sources = nullptr;
    if (row.layout >= 0) {
      if (row.bytes.size() < layouts_[row.layout]->fixed_end()) return CorruptRow();
      sources = &sources_[row.layout];
    }
    for (size_t c = 0; c < places_.size(); ++c) {
      const Column& place = places_[c];
      if (place.block < 0) continue;
      const Source* source = sources == nullptr ? nullptr : &(*sources)[c];
      const uint32_t width = blocks_[place.block].width;
      const int64_t at = place.index * n + i;
      uint8_t* values = blocks->values[place.block]->mutable_data();
      if (source != nullptr && source->slot != nullptr &&
          (row.bytes[source->validity_byte] & source->validity_bit) != 0) {
        const char* value = row.bytes.data() + source->slot->offset;
        if (width == 8) {
          std::memcpy(values + at * 8, value, 8);
        } else if (width != 0) {
          std::memcpy(values + at * width, value, width);
        } else if (source->slot->kind == SlotKind::kBool) {
          arrow::bit_util::SetBitTo(values, at, *value != 0);
        }
        continue;
      }
      if (width != 0) std::memset(values + at * width, 0, width);
      if (width == 0) arrow::bit_util::ClearBit(values, at);
      std::shared_ptr<arrow::Buffer>& validity = blocks->validity[place.block];
      if (validity == nullptr) {
        const int64_t bits = blocks_[place.block].columns * n;
        ARROW_ASSIGN_OR_RAISE(validity, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(bits)));
        std::memset(validity->mutable_data(), 0xFF, validity->size());
      }
      arrow::bit_util::ClearBit(validity->mutable_data(), at);
      ++blocks->null_counts[c];
    }
  }
  return Status::OK();
}

bool RowProjection::Fits(std::span<const ColumnTarget> columns) const {
  for (size_t c = 0; c < widths_.size(); ++c) {
    const uint32_t width = widths_[c];
    if (width == 0 || width != columns[c].width || width > kMaxTargetWidth) return false;
  }
  return true;
}

bool RowProjection::AllPresent(std::span<const StoredRow> rows) const {
  const int layout = rows.empty() ? -1 : rows[0].layout;
  if (layout < 0 || bits_[layout].empty()) return false;
  const uint32_t fixed_end = layouts_[layout]->fixed_end();
  for (const StoredRow& row : rows) {
    if (row.layout != layout || row.bytes.size() < fixed_end) return false;
    for (const Bits& bits : bits_[layout]) {
      if ((static_cast<uint8_t>(row.bytes[bits.byte]) & bits.mask) != bits.mask) return false;
    }
  }
  return true;
}

Result<bool> RowProjection::FillColumns(std::span<const StoredRow> rows,
                                        std::span<const RowStatus> status,
                                        std::span<const ColumnTarget> columns) const {
  if (AllPresent(rows)) {
    const std::vector<Source>& sources = sources_[rows[0].layout];
    for (size_t c = 0; c < columns.size(); ++c) {
      const uint32_t offset = sources[c].slot->offset, width = columns[c].width;
      char* to = columns[c].values;
      if (width == 8) {
        for (const StoredRow& row : rows) {
          std::memcpy(to, row.bytes.data() + offset, 8);
          to += 8;
        }
        continue;
      }
      for (const StoredRow& row : rows) {
        std::memcpy(to, row.bytes.data() + offset, width);
        to += width;
      }
    }
    return true;
  }
  bool whole = true;
  for (size_t i = 0; i < rows.size(); ++i) {
    const StoredRow& row = rows[i];
    if (row.layout >= 0 && row.bytes.size() < layouts_[row.layout]->fixed_end()) {
      return CorruptRow();
    }
    for (size_t c = 0; c < columns.size(); ++c) {
      const uint32_t width = columns[c].width;
      const Source source = row.layout < 0 ? Source() : sources_[row.layout][c];
      char* to = columns[c].values + i * width;
      if (source.slot != nullptr && (row.bytes[source.validity_byte] & source.validity_bit) != 0) {
        std::memcpy(to, row.bytes.data() + source.slot->offset, width);
        continue;
      }
      std::memcpy(to, &columns[c].null_bits, width);
      columns[c].status[i] = row.layout < 0 ? static_cast<uint8_t>(status[i]) : kNullValue;
      whole = false;
    }
  }
  return whole;
}

Status RowProjection::AppendCells(const StoredRow& row, std::vector<Cell>* cells) const {
  if (row.layout < 0) {
    cells->resize(cells->size() + places_.size());
    return Status::OK();
  }
  const uint32_t fixed_end = layouts_[row.layout]->fixed_end();
  if (row.bytes.size() < fixed_end) return CorruptRow();
  for (const Source& source : sources_[row.layout]) {
    Cell& cell = cells->emplace_back();
    if (source.slot == nullptr || (row.bytes[source.validity_byte] & source.validity_bit) == 0) {
      continue;
    }
    const RowSlot& slot = *source.slot;
    if (slot.kind == SlotKind::kBool || slot.kind == SlotKind::kFixed) {
      cell = {row.bytes.data() + slot.offset, slot.width};
      continue;
    }
    const auto value = VariableBytes(slot, fixed_end, row.bytes);
    if (!value) return CorruptRow();
    cell = {value->data(), static_cast<uint32_t>(value->size())};
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> RowProjection::Gather(
    std::span<const StoredRow> rows) const {
  const auto n = static_cast<int64_t>(rows.size());
  Blocks blocks;
  blocks.null_counts.resize(places_.size());
  blocks.validity.resize(blocks_.size());
  for (const Block& block : blocks_) {
    const int64_t bytes = block.width == 0 ? arrow::bit_util::BytesForBits(block.columns * n)
                                           : block.columns * n * block.width;
    ARROW_ASSIGN_OR_RAISE(blocks.values.emplace_back(), arrow::AllocateBuffer(bytes));
  }
  ARROW_RETURN_NOT_OK(FillFixed(rows, &blocks));

  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(places_.size());
  std::vector<std::string_view> values;
  for (size_t c = 0; c < places_.size(); ++c) {
    const Column& place = places_[c];
    const std::shared_ptr<arrow::DataType>& type = schema_->field(static_cast<int>(c))->type();
    if (place.block >= 0) {
      const int64_t nulls = blocks.null_counts[c];
      columns.push_back(arrow::ArrayData::Make(
          type, n,
          {nulls == 0 ? nullptr : blocks.validity[place.block], blocks.values[place.block]}, nulls,
          place.index * n));
      continue;
    }
    values.assign(rows.size(), std::string_view());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].layout < 0) continue;
      const std::string_view bytes = rows[i].bytes;
      const uint32_t fixed_end = layouts_[rows[i].layout]->fixed_end();
      if (bytes.size() < fixed_end) return CorruptRow();
      const Source& source = sources_[rows[i].layout][c];
      if (source.slot == nullptr || (bytes[source.validity_byte] & source.validity_bit) == 0) {
        continue;
      }
      const auto value = VariableBytes(*source.slot, fixed_end, bytes);
      if (!value) return CorruptRow();
      values[i] = *value;
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), GatherVariable(type, values));
  }
  return arrow::RecordBatch::Make(schema_, n, std::move(columns));
}

}  // namespace tercet
