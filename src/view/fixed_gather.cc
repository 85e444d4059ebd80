#include "view/fixed_gather.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "base/avx512.h"
#include "base/large_memory.h"
#include "compute/asof_match.h"
#include "view/page_lanes.h"
#include "view/zeroed_pages.h"

namespace tercet {
namespace {

constexpr size_t kWordsAhead = 8;  // of 64 values each

using Bits = std::array<uint64_t, static_cast<size_t>(AsOfMatcher::kBlockRows / 64)>;

/// Sets the first `count` bits of `words` in a bitmap of zeros from bit `at` on. Other threads may
/// write the bits before and behind, so the outer bytes are set atomically.
void PutBits(uint8_t* bitmap, int64_t at, const Bits& words, int64_t count) {
  const int shift = static_cast<int>(at % 8);
  std::array<uint64_t, std::tuple_size_v<Bits> + 1> moved;
  const auto used = static_cast<size_t>((count + 63) / 64);
  uint64_t carried = 0;
  for (size_t w = 0; w < used; ++w) {
    moved[w] = words[w] << shift | carried;
    carried = shift == 0 ? 0 : words[w] >> (64 - shift);
  }
  moved[used] = carried;
  uint8_t* first = bitmap + at / 8;
  const int64_t bytes = (shift + count + 7) / 8;
  const auto* from = reinterpret_cast<const uint8_t*>(moved.data());
  std::atomic_ref<uint8_t>(first[0]).fetch_or(from[0], std::memory_order_relaxed);
  if (bytes == 1) return;
  std::memcpy(first + 1, from + 1, static_cast<size_t>(bytes - 2));
  std::atomic_ref<uint8_t>(first[bytes - 1]).fetch_or(from[bytes - 1], std::memory_order_relaxed);
}

/// Of `count` bits.
Bits AllOf(int64_t count) {
  Bits bits{};
  for (int64_t i = 0; i < count; i += 64) {
    bits[static_cast<size_t>(i) / 64] =
        count - i < 64 ? (uint64_t{1} << (count - i)) - 1 : ~uint64_t{0};
  }
  return bits;
}

/// Has memory ready for a block that goes to bytes [at, end) of `size` in order: a piece at a time,
/// by the block that comes to it.
void Populate(uint8_t* values, int64_t at, int64_t end, int64_t size) {
  const int64_t piece = (at + kPopulateBytes - 1) / kPopulateBytes * kPopulateBytes;
  if (piece < end) PopulatePages(values + piece, std::min(kPopulateBytes, size - piece));
}

/// Where a block's values go: values by row; validity into flags, or by the caller into bits.
struct Sink {
  uint8_t* values;
  Bits* bits;      ///< of the block, in order
  uint8_t* flags;  ///< of all rows, out of order

  template <typename Word>
  __attribute__((always_inline)) void Put(const GatherBlock& block, int64_t i, Word value,
                                          uint64_t valid) const {
    if (flags == nullptr) {
      std::memcpy(values + (block.begin + i) * static_cast<int64_t>(sizeof(Word)), &value,
                  sizeof(Word));
    } else {
      const int64_t row = block.to[i];
      std::memcpy(values + row * static_cast<int64_t>(sizeof(Word)), &value, sizeof(Word));
      flags[row] = static_cast<uint8_t>(valid);
    }
  }
};

/// Asks for the values some way ahead in the file, which the processor doesn't foretell over the
/// end of a page, nor after other columns had their turn.
__attribute__((always_inline)) inline void AskAhead(const PlainColumn& source, int64_t row,
                                                    int64_t width) {
  const auto ahead = static_cast<size_t>(row) / 64 + kWordsAhead;
  if (ahead >= source.words().size()) return;
  const uint8_t* values = source.words()[ahead].values;
  for (int64_t line = 0; line < 64 * width; line += 64) __builtin_prefetch(values + line);
}

/// From where values lie in pages.
template <typename Word, bool kInOrder>
__attribute__((always_inline)) inline void FromPages(const PlainColumn& source,
                                                     const GatherBlock& block, Sink sink) {
  if (kInOrder) sink.flags = nullptr;
  const PlainColumn::Word* words = source.words().data();
  uint64_t bits = 0;  // of the 64 rows under way, in order
  for (int64_t i = 0; i < block.size; ++i) {
    const int64_t row = block.from[i];
    uint64_t valid = 0;
    if (kInOrder && i % 64 == 0 && row >= 0) {
      AskAhead(source, row, static_cast<int64_t>(sizeof(Word)));
    }
    if (row >= 0) {
      const PlainColumn::Word& word = words[row / 64];
      valid = word.valid >> (row % 64) & 1;
      // The rank of a null is that of the next value, which may not exist: then take the first.
      const int64_t rank = std::popcount(word.valid & ((uint64_t{1} << (row % 64)) - 1)) &
                           -static_cast<int64_t>(valid);
      Word value;
      std::memcpy(&value, word.values + rank * static_cast<int64_t>(sizeof(Word)), sizeof(Word));
      value &= static_cast<Word>(-static_cast<Word>(valid));
      sink.Put(block, i, value, valid);
    }
    if constexpr (kInOrder) {
      bits |= valid << (i % 64);
      if (i % 64 == 63) {
        (*sink.bits)[static_cast<size_t>(i) / 64] = bits;
        bits = 0;
      }
    }
  }
  if (kInOrder && block.size % 64 != 0) {
    (*sink.bits)[static_cast<size_t>(block.size) / 64] = bits;
  }
}

using FromPagesFunction = void (*)(const PlainColumn&, const GatherBlock&, Sink);

template <typename Word, bool kInOrder>
void FromPagesPortable(const PlainColumn& source, const GatherBlock& block, Sink sink) {
  FromPages<Word, kInOrder>(source, block, sink);
}

#if defined(__x86_64__)
template <typename Word, bool kInOrder>
__attribute__((target("popcnt"))) void FromPagesPopcnt(const PlainColumn& source,
                                                       const GatherBlock& block, Sink sink) {
  FromPages<Word, kInOrder>(source, block, sink);
}
#endif

template <typename Word, bool kInOrder>
FromPagesFunction ChooseFromPages() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) return FromPagesPopcnt<Word, kInOrder>;
#endif
  return FromPagesPortable<Word, kInOrder>;
}

template <typename Word>
FromPagesFunction FromPagesOf(bool in_order) {
  static const FromPagesFunction ordered = ChooseFromPages<Word, true>();
  static const FromPagesFunction scattered = ChooseFromPages<Word, false>();
  return in_order ? ordered : scattered;
}

/// From a batch, of any width.
template <int kWidth>
void FromArray(const arrow::Array& source, int64_t any_width, const GatherBlock& block,
               const Sink& sink) {
  const int64_t width = kWidth > 0 ? kWidth : any_width;
  const uint8_t* from = source.data()->buffers[1]->data() + source.offset() * width;
  const uint8_t* bitmap = source.null_count() > 0 ? source.null_bitmap_data() : nullptr;
  for (int64_t i = 0; i < block.size; ++i) {
    const int64_t row = block.from[i];
    if (row < 0 || (bitmap != nullptr && !arrow::bit_util::GetBit(bitmap, source.offset() + row))) {
      continue;
    }
    const int64_t target = block.target(i);
    std::memcpy(sink.values + target * width, from + row * width, static_cast<size_t>(width));
    if (sink.flags == nullptr) {
      (*sink.bits)[static_cast<size_t>(i) / 64] |= uint64_t{1} << (i % 64);
    } else {
      sink.flags[target] = 1;
    }
  }
}

}  // namespace

FixedGather::FixedGather(std::shared_ptr<arrow::DataType> type, int64_t rows, GatherOrder order,
                         bool zeroed)
    : type_(std::move(type)),
      rows_(rows),
      order_(order),
      zeroed_(zeroed),
      width_(static_cast<const arrow::FixedWidthType&>(*type_).bit_width() / 8),
      flags_(order == GatherOrder::kScattered ? rows : 0) {}

Result<std::unique_ptr<ColumnGather>> FixedGather::Make(
    const std::shared_ptr<arrow::DataType>& type, int64_t rows, GatherOrder order,
    arrow::MemoryPool* memory) {
  // Recycled memory that will be written from front to back needs no pass of its own before that.
  const bool zeroed = memory == LargeMemory() || order == GatherOrder::kScattered;
  auto gather = std::unique_ptr<FixedGather>(new FixedGather(type, rows, order, zeroed));
  const int64_t size = rows * gather->width_;
  if (zeroed) {
    ARROW_ASSIGN_OR_RAISE(gather->values_, ZeroedPages(size, memory));
  } else {
    ARROW_ASSIGN_OR_RAISE(gather->values_, arrow::AllocateBuffer(size, memory));
  }
  if (order != GatherOrder::kScattered) {
    ARROW_ASSIGN_OR_RAISE(gather->bitmap_, ZeroedPages((rows + 7) / 8, memory));
  }
  return gather;
}

void FixedGather::Begin(const GatherBlock& block) {
  if (!in_order()) return;
  const int64_t begin = block.begin * width_, end = begin + block.size * width_;
  if (zeroed_) {
    Populate(values_->mutable_data(), begin, end, rows_ * width_);
  } else {
    std::memset(values_->mutable_data() + begin, 0, static_cast<size_t>(end - begin));
  }
}

void FixedGather::PutNulls(const GatherBlock& block) {
  if (!zeroed_) Begin(block);
}

Status FixedGather::Gather(int, const arrow::Array& source, const GatherBlock& block) {
  Begin(block);
  Bits bits{};
  const Sink sink{values_->mutable_data(), &bits, in_order() ? nullptr : flags_.data()};
  switch (width_) {
    case 1:
      FromArray<1>(source, width_, block, sink);
      break;
    case 2:
      FromArray<2>(source, width_, block, sink);
      break;
    case 4:
      FromArray<4>(source, width_, block, sink);
      break;
    case 8:
      FromArray<8>(source, width_, block, sink);
      break;
    case 16:
      FromArray<16>(source, width_, block, sink);
      break;
    default:
      FromArray<0>(source, width_, block, sink);
  }
  if (in_order()) PutBits(bitmap_->mutable_data(), block.begin, bits, block.size);
  return Status::OK();
}

Status FixedGather::GatherPlain(const PlainColumn& source, const GatherBlock& block) {
  Bits bits{};
  const Sink sink{values_->mutable_data(), &bits, in_order() ? nullptr : flags_.data()};
  Begin(block);
  static const bool lanes = HasAvx512();
  if (source.width() == 8 && in_order() && lanes) {
    TakeFromPages(source, block.from, block.size, sink.values + block.begin * width_,
                  reinterpret_cast<uint8_t*>(bits.data()));
  } else if (source.width() == 8) {
    FromPagesOf<uint64_t>(in_order())(source, block, sink);
  } else if (source.width() == 4) {
    FromPagesOf<uint32_t>(in_order())(source, block, sink);
  } else {
    return Status::UnknownError("plain values of ", source.width(), " bytes");
  }
  if (in_order()) PutBits(bitmap_->mutable_data(), block.begin, bits, block.size);
  return Status::OK();
}

Status FixedGather::PutPlain(const PlainColumn& source, int64_t begin, int64_t rows) {
  uint8_t* values = values_->mutable_data() + begin * width_;
  PopulatePages(values, rows * width_);
  source.CopyTo(values);
  for (int64_t row = 0; row < rows; row += AsOfMatcher::kBlockRows) {
    const int64_t count = std::min(AsOfMatcher::kBlockRows, rows - row);
    PutBits(bitmap_->mutable_data(), begin + row, AllOf(count), count);
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::ChunkedArray>> FixedGather::Finish() {
  int64_t set = 0;
  if (order_ != GatherOrder::kScattered) {
    set = arrow::internal::CountSetBits(bitmap_->data(), 0, rows_);
  } else {
    ARROW_ASSIGN_OR_RAISE(bitmap_, flags_.Pack(&set));
  }
  return std::make_shared<arrow::ChunkedArray>(arrow::MakeArray(arrow::ArrayData::Make(
      type_, rows_, {set == rows_ ? nullptr : bitmap_, values_}, rows_ - set)));
}

}  // namespace tercet
