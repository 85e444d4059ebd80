#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include <arrow/array/array_binary.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "base/parallel.h"
#include "offline/row_gather.h"

namespace tercet {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using Sources = std::vector<const ColumnRows*>;  // of one column

/// Below this many values it is quicker to gather columns one after another.
constexpr int64_t kMinParallelValues = 1 << 17;
/// So few values are copied one by one; a call of memcpy would cost more.
constexpr uint32_t kFewValues = 8;

/// Bytes of a value of types that are copied as they are; 0 for others.
int ValueBytes(const arrow::DataType& type) {
  if (!arrow::is_fixed_width(type.id()) || type.id() == arrow::Type::BOOL ||
      type.id() == arrow::Type::DICTIONARY || type.num_fields() > 0) {
    return 0;
  }
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
}

/// The validity of rows that are put end to end; all are valid until one is said not to be.
class ValidityWriter {
 public:
  Status Begin(int64_t count, bool any) {
    if (!any) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(bits_, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(count)));
    std::memset(bits_->mutable_data(), 0xFF, static_cast<size_t>(bits_->size()));
    count_ = count;
    return Status::OK();
  }
  void SetNull(int64_t at) { arrow::bit_util::ClearBit(bits_->mutable_data(), at); }
  void Copy(const arrow::Array& from, int64_t begin, int64_t count, int64_t at) {
    if (from.null_count() == 0) return;
    if (count < kFewValues) {
      for (int64_t i = 0; i < count; ++i) {
        if (from.IsNull(begin + i)) SetNull(at + i);
      }
      return;
    }
    arrow::internal::CopyBitmap(from.null_bitmap_data(), from.offset() + begin, count,
                                bits_->mutable_data(), at);
  }
  /// The bitmap, or null when no row is null; sets their number.
  std::shared_ptr<arrow::Buffer> Finish(int64_t* nulls) {
    *nulls = 0;
    if (bits_ == nullptr) return nullptr;
    *nulls = count_ - arrow::internal::CountSetBits(bits_->data(), 0, count_);
    if (*nulls == 0) return nullptr;
    for (int64_t i = count_; i < bits_->size() * 8; ++i) SetNull(i);
    return std::move(bits_);
  }

 private:
  std::shared_ptr<arrow::Buffer> bits_;
  int64_t count_ = 0;
};

bool AnyNulls(const Sources& sources) {
  return std::any_of(sources.begin(), sources.end(), [](const ColumnRows* column) {
    return column->plain != nullptr ? column->plain->has_nulls() : column->array->null_count() > 0;
  });
}

template <int kBytes>
void CopyValues(const uint8_t* from, uint32_t count, uint8_t* to) {
  if (count >= kFewValues) {
    std::memcpy(to, from, size_t{count} * kBytes);
    return;
  }
  for (uint32_t i = 0; i < count; ++i) std::memcpy(to + i * kBytes, from + i * kBytes, kBytes);
}

/// Rows of a column in a mapped file, whose pages have only the values that are there.
template <int kBytes>
void CopyPlain(const PlainColumn& column, const RowSlice& slice, int64_t at, uint8_t* to,
               ValidityWriter* validity) {
  const std::vector<PlainColumn::Word>& words = column.words();
  uint32_t row = slice.begin, left = slice.count;
  while (left > 0) {
    const PlainColumn::Word& word = words[row / 64];
    const uint32_t place = row % 64, take = std::min(64 - place, left);
    const uint64_t asked = (take == 64 ? ~uint64_t{0} : (uint64_t{1} << take) - 1) << place;
    const uint64_t there = word.valid & asked;
    const uint64_t before = word.valid & ((uint64_t{1} << place) - 1);
    const uint8_t* from = word.values + size_t{kBytes} * std::popcount(before);
    if (there == asked) {
      CopyValues<kBytes>(from, take, to);
    } else {
      for (uint32_t i = 0; i < take; ++i) {
        if ((there >> (place + i) & 1) != 0) {
          std::memcpy(to + size_t{i} * kBytes, from, kBytes);
          from += kBytes;
        } else {
          std::memset(to + size_t{i} * kBytes, 0, kBytes);
          validity->SetNull(at + i);
        }
      }
    }
    to += size_t{take} * kBytes;
    at += take;
    row += take;
    left -= take;
  }
}

template <int kBytes>
Result<ArrayPtr> GatherFixed(const std::shared_ptr<arrow::DataType>& type, const Sources& sources,
                             std::span<const RowSlice> slices, int64_t count) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer(count * kBytes));
  ValidityWriter validity;
  ARROW_RETURN_NOT_OK(validity.Begin(count, AnyNulls(sources)));
  std::vector<const uint8_t*> bases(sources.size(), nullptr);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i]->plain != nullptr) continue;
    const arrow::ArrayData& data = *sources[i]->array->data();
    if (data.buffers[1] != nullptr) bases[i] = data.buffers[1]->data() + data.offset * kBytes;
  }
  uint8_t* to = values->mutable_data();
  int64_t at = 0;
  for (const RowSlice& slice : slices) {
    const ColumnRows& source = *sources[slice.source];
    if (source.plain != nullptr) {
      CopyPlain<kBytes>(*source.plain, slice, at, to, &validity);
    } else {
      CopyValues<kBytes>(bases[slice.source] + size_t{slice.begin} * kBytes, slice.count, to);
      validity.Copy(*source.array, slice.begin, slice.count, at);
    }
    to += size_t{slice.count} * kBytes;
    at += slice.count;
  }
  int64_t nulls = 0;
  std::shared_ptr<arrow::Buffer> bits = validity.Finish(&nulls);
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, count, {std::move(bits), std::move(values)}, nulls));
}

/// Strings and binaries with offsets of 32 bits.
Result<ArrayPtr> GatherBinary(const std::shared_ptr<arrow::DataType>& type, const Sources& sources,
                              std::span<const RowSlice> slices, int64_t count) {
  const auto array = [&](const RowSlice& slice) -> const arrow::BinaryArray& {
    return static_cast<const arrow::BinaryArray&>(*sources[slice.source]->array);
  };
  int64_t bytes = 0;
  for (const RowSlice& slice : slices) {
    bytes += array(slice).value_offset(int64_t{slice.begin} + slice.count) -
             array(slice).value_offset(slice.begin);
  }
  if (bytes > std::numeric_limits<int32_t>::max()) {
    return Status::CapacityError("a batch of ", count, " rows has ", bytes,
                                 " bytes of text in one column; write fewer rows at once, or set "
                                 "tercet.row_group_rows lower");
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                        arrow::AllocateBuffer((count + 1) * static_cast<int64_t>(sizeof(int32_t))));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(bytes));
  ValidityWriter validity;
  ARROW_RETURN_NOT_OK(validity.Begin(count, AnyNulls(sources)));
  auto* offset = reinterpret_cast<int32_t*>(offsets->mutable_data());
  uint8_t* to = values->mutable_data();
  int32_t end = 0;
  int64_t at = 0;
  *offset++ = 0;
  for (const RowSlice& slice : slices) {
    const arrow::BinaryArray& from = array(slice);
    const int32_t* begins = from.raw_value_offsets() + slice.begin;  // the array's offset is in it
    const int32_t shift = end - begins[0];
    for (uint32_t i = 1; i <= slice.count; ++i) *offset++ = begins[i] + shift;
    const int32_t size = begins[slice.count] - begins[0];
    if (size > 0) std::memcpy(to + end, from.raw_data() + begins[0], static_cast<size_t>(size));
    end += size;
    validity.Copy(from, slice.begin, slice.count, at);
    at += slice.count;
  }
  int64_t nulls = 0;
  std::shared_ptr<arrow::Buffer> bits = validity.Finish(&nulls);
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, count, {std::move(bits), std::move(offsets), std::move(values)}, nulls));
}

/// Any other type, by Arrow's kernels: what is needed of each source end to end, then its rows.
Result<ArrayPtr> GatherOther(const Sources& sources, std::span<const RowSlice> slices,
                             int64_t count) {
  struct Range {
    uint32_t begin = std::numeric_limits<uint32_t>::max(), end = 0;
    int64_t shift = 0;  // from a row of the source to one of the concatenation
  };
  std::vector<Range> ranges(sources.size());
  for (const RowSlice& slice : slices) {
    Range& range = ranges[slice.source];
    range.begin = std::min(range.begin, slice.begin);
    range.end = std::max(range.end, slice.begin + slice.count);
  }
  arrow::ArrayVector used;
  int64_t rows = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    Range& range = ranges[i];
    if (range.begin >= range.end) continue;
    range.shift = rows - range.begin;
    rows += range.end - range.begin;
    used.push_back(sources[i]->array->Slice(range.begin, range.end - range.begin));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr together, arrow::Concatenate(used));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> numbers,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(int64_t))));
  auto* number = reinterpret_cast<int64_t*>(numbers->mutable_data());
  for (const RowSlice& slice : slices) {
    for (uint32_t i = 0; i < slice.count; ++i) {
      *number++ = ranges[slice.source].shift + slice.begin + i;
    }
  }
  const arrow::Int64Array indices(count, std::move(numbers));
  return arrow::compute::Take(*together, indices, arrow::compute::TakeOptions::NoBoundsCheck());
}

Result<ArrayPtr> GatherColumn(const std::shared_ptr<arrow::DataType>& type, const Sources& sources,
                              std::span<const RowSlice> slices, int64_t count) {
  switch (ValueBytes(*type)) {
    case 1:
      return GatherFixed<1>(type, sources, slices, count);
    case 2:
      return GatherFixed<2>(type, sources, slices, count);
    case 4:
      return GatherFixed<4>(type, sources, slices, count);
    case 8:
      return GatherFixed<8>(type, sources, slices, count);
    case 16:
      return GatherFixed<16>(type, sources, slices, count);
    default:
      break;
  }
  if (arrow::is_binary_like(type->id())) return GatherBinary(type, sources, slices, count);
  return GatherOther(sources, slices, count);
}

}  // namespace

SourceRows SourceRows::Of(const arrow::RecordBatch& rows) {
  SourceRows source;
  for (const auto& column : rows.columns()) source.columns.push_back({column, nullptr});
  return source;
}

Result<std::shared_ptr<arrow::RecordBatch>> GatherSlices(
    const std::shared_ptr<arrow::Schema>& schema, const std::vector<const SourceRows*>& sources,
    std::span<const RowSlice> slices) {
  int64_t count = 0;
  for (const RowSlice& slice : slices) count += slice.count;
  if (count == 0) return arrow::RecordBatch::MakeEmpty(schema);
  arrow::ArrayVector columns(static_cast<size_t>(schema->num_fields()));
  const auto gather = [&](int64_t i) -> Status {
    const auto c = static_cast<size_t>(i);
    Sources column;
    for (const SourceRows* source : sources) column.push_back(&source->columns[c]);
    ARROW_ASSIGN_OR_RAISE(columns[c], GatherColumn(schema->field(static_cast<int>(i))->type(),
                                                   column, slices, count));
    return Status::OK();
  };
  if (count * schema->num_fields() >= kMinParallelValues) {
    ARROW_RETURN_NOT_OK(ParallelFor(schema->num_fields(), gather));
  } else {
    for (int i = 0; i < schema->num_fields(); ++i) ARROW_RETURN_NOT_OK(gather(i));
  }
  return arrow::RecordBatch::Make(schema, count, std::move(columns));
}

}  // namespace tercet
