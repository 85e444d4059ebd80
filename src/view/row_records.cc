#include "view/row_records.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/large_memory.h"
#include "base/parallel.h"
#include "base/recycled_memory.h"

namespace tercet {
namespace {

constexpr int64_t kWordRows = 64;
constexpr int64_t kFillWords = 128;  // filled by one thread at once
constexpr int64_t kSlotBytes = 8;

/// The values of one word into a slot of its 64 records, marks for nulls. False where a value is
/// the mark.
template <typename Value, size_t kSlots>
bool FillSlot(const PlainColumn::Word& word, uint64_t mark, uint64_t* slot) {
  int64_t rank = 0;
  uint64_t marked = 0;
  for (int64_t i = 0; i < kWordRows; ++i) {
    const auto valid = static_cast<int64_t>(word.valid >> i & 1);
    Value value;  // behind the last one there may be no memory: then the first
    std::memcpy(&value, word.values + (rank & -valid) * static_cast<int64_t>(sizeof(Value)),
                sizeof(Value));
    const uint64_t kept = valid != 0 ? uint64_t{value} : mark;
    marked += kept == mark ? 1 : 0;
    slot[static_cast<size_t>(i) * kSlots] = kept;
    rank += valid;
  }
  return marked == static_cast<uint64_t>(kWordRows - rank);
}

/// A slot of up to 64 records into a column; returns which have a value.
template <typename Value>
uint64_t TakeSlot(const std::array<const uint64_t*, kWordRows>& records, size_t slot, uint64_t mark,
                  int64_t count, uint8_t* to) {
  uint64_t valid = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t kept = records[static_cast<size_t>(i)][slot];
    const uint64_t there = kept != mark ? 1 : 0;
    const auto value = static_cast<Value>(kept & -there);
    std::memcpy(to + i * static_cast<int64_t>(sizeof(Value)), &value, sizeof(Value));
    valid |= there << i;
  }
  return valid;
}

}  // namespace

int64_t RowRecords::Bytes(size_t columns, int64_t rows) {
  return rows * static_cast<int64_t>(std::bit_ceil(columns)) * kSlotBytes;
}

Status RowRecords::Load(const std::vector<std::unique_ptr<PlainRows>>& columns) {
  widths_.clear();
  for (const auto& column : columns) widths_.push_back(column->width());
  slots_ = std::bit_ceil(columns.size());
  const auto words = static_cast<int64_t>(columns[0]->words().size());
  none_ = static_cast<uint32_t>((words - 1) * kWordRows);
  const int64_t word_bytes = kWordRows * static_cast<int64_t>(slots_) * kSlotBytes;
  const bool fresh = records_ == nullptr || records_->size() < words * word_bytes;
  if (fresh) {
    records_.reset();  // before the next is asked for
    ARROW_ASSIGN_OR_RAISE(records_, arrow::AllocateBuffer(words * word_bytes, RecycledMemory()));
  }
  for (bool first = true;; first = false) {
    std::atomic<bool> clear{true};
    ARROW_RETURN_NOT_OK(ParallelFor((words + kFillWords - 1) / kFillWords, [&](int64_t piece) {
      const int64_t begin = piece * kFillWords, end = std::min(begin + kFillWords, words);
      if (fresh && first) {
        PopulatePages(records_->mutable_data() + begin * word_bytes, (end - begin) * word_bytes);
      }
      const bool filled = slots_ == 2   ? Fill<2>(columns, begin, end)
                          : slots_ == 4 ? Fill<4>(columns, begin, end)
                                        : Fill<8>(columns, begin, end);
      if (!filled) clear = false;
      return Status::OK();
    }));
    if (clear) return Status::OK();
    mark_ += kFirstMark;  // odd, so that all numbers have their turn: one is no value
  }
}

template <size_t kSlots>
bool RowRecords::Fill(const std::vector<std::unique_ptr<PlainRows>>& columns, int64_t begin,
                      int64_t end) {
  auto* records = reinterpret_cast<uint64_t*>(records_->mutable_data());
  bool clear = true;
  for (int64_t w = begin; w < end; ++w) {
    uint64_t* first = records + static_cast<size_t>(w * kWordRows) * kSlots;
    for (size_t c = 0; c < columns.size(); ++c) {
      const PlainColumn::Word& word = columns[c]->words()[static_cast<size_t>(w)];
      clear &= widths_[c] == 8 ? FillSlot<uint64_t, kSlots>(word, mark_, first + c)
                               : FillSlot<uint32_t, kSlots>(word, mark_, first + c);
    }
  }
  return clear;
}

void RowRecords::Gather(const uint32_t* numbers, int64_t count,
                        const std::vector<GatherTarget>& to) const {
  if (slots_ == 2) {
    GatherSlots<2>(numbers, count, to);
  } else if (slots_ == 4) {
    GatherSlots<4>(numbers, count, to);
  } else {
    GatherSlots<8>(numbers, count, to);
  }
}

template <size_t kSlots>
void RowRecords::GatherSlots(const uint32_t* numbers, int64_t count,
                             const std::vector<GatherTarget>& to) const {
  const auto* records = reinterpret_cast<const uint64_t*>(records_->data());
  std::array<const uint64_t*, kWordRows> at;
  for (int64_t begin = 0; begin < count; begin += kWordRows) {
    const int64_t size = std::min(kWordRows, count - begin);
    for (int64_t i = begin + kWordRows; i < std::min(begin + 2 * kWordRows, count); ++i) {
      __builtin_prefetch(records + size_t{std::min(numbers[i], none_)} * kSlots);
    }
    for (int64_t i = 0; i < size; ++i) {
      at[static_cast<size_t>(i)] = records + size_t{std::min(numbers[begin + i], none_)} * kSlots;
    }
    for (size_t c = 0; c < to.size(); ++c) {
      uint8_t* values = to[c].values + begin * widths_[c];
      const uint64_t valid = widths_[c] == 8 ? TakeSlot<uint64_t>(at, c, mark_, size, values)
                                             : TakeSlot<uint32_t>(at, c, mark_, size, values);
      std::memcpy(to[c].bitmap + begin / 8, &valid, static_cast<size_t>((size + 7) / 8));
    }
  }
}

}  // namespace tercet
