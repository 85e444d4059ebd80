#include "offline/row_gather.h"

#include <algorithm>
#include <bit>
#include <vector>

#include <arrow/array.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

namespace tercet {
namespace {

/// How many rows ahead memory is asked for.
constexpr size_t kAhead = 24;

int ValueBytes(const arrow::DataType& type) {
  if (!arrow::is_primitive(type.id())) return 0;
  const int bits = type.bit_width();
  return bits == 64 || bits == 32 ? bits / 8 : 0;
}

template <typename T>
void GatherValues(const T* from, std::span<const uint32_t> numbers, T* to) {
  const size_t count = numbers.size();
  const size_t far = count > kAhead ? count - kAhead : 0;
  for (size_t i = 0; i < far; ++i) {
    __builtin_prefetch(from + numbers[i + kAhead]);
    to[i] = from[numbers[i]];
  }
  for (size_t i = far; i < count; ++i) to[i] = from[numbers[i]];
}

/// Returns the number of nulls.
int64_t GatherValidity(const uint8_t* from, int64_t offset, std::span<const uint32_t> numbers,
                       uint8_t* to) {
  int64_t valid = 0;
  for (size_t begin = 0; begin < numbers.size(); begin += 8) {
    const size_t end = std::min(begin + 8, numbers.size());
    unsigned byte = 0;
    for (size_t i = begin; i < end; ++i) {
      byte |= static_cast<unsigned>(arrow::bit_util::GetBit(from, offset + numbers[i]))
              << (i - begin);
    }
    to[begin / 8] = static_cast<uint8_t>(byte);
    valid += std::popcount(byte);
  }
  return static_cast<int64_t>(numbers.size()) - valid;
}

Result<std::shared_ptr<arrow::Array>> GatherFixed(const arrow::ArrayData& data, int value_bytes,
                                                  std::span<const uint32_t> numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer(count * value_bytes));
  if (value_bytes == 8) {
    GatherValues(data.GetValues<uint64_t>(1), numbers,
                 reinterpret_cast<uint64_t*>(values->mutable_data()));
  } else {
    GatherValues(data.GetValues<uint32_t>(1), numbers,
                 reinterpret_cast<uint32_t*>(values->mutable_data()));
  }
  std::shared_ptr<arrow::Buffer> validity;
  int64_t nulls = 0;
  if (data.MayHaveNulls()) {
    ARROW_ASSIGN_OR_RAISE(validity, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(count)));
    nulls = GatherValidity(data.buffers[0]->data(), data.offset, numbers, validity->mutable_data());
    if (nulls == 0) validity = nullptr;
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(data.type, count, {std::move(validity), std::move(values)}, nulls));
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const arrow::RecordBatch& rows,
                                                       std::span<const uint32_t> numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  const auto indices = std::make_shared<arrow::UInt32Array>(
      count, arrow::Buffer::Wrap(numbers.data(), numbers.size()));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& column : rows.columns()) {
    const int value_bytes = ValueBytes(*column->type());
    if (value_bytes > 0) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            GatherFixed(*column->data(), value_bytes, numbers));
    } else {
      ARROW_ASSIGN_OR_RAISE(
          columns.emplace_back(),
          arrow::compute::Take(*column, *indices, arrow::compute::TakeOptions::NoBoundsCheck()));
    }
  }
  return arrow::RecordBatch::Make(rows.schema(), count, std::move(columns));
}

}  // namespace tercet
