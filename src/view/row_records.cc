#include "view/row_records.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/large_memory.h"
#include "base/parallel.h"

namespace tercet {
namespace {

constexpr int64_t kWordRows = 64;
constexpr int64_t kFillWords = 512;  // filled by one thread at once
constexpr int64_t kSlotBytes = 8;

/// Turns a matrix of 8 × 8 bits, a row a byte, so that rows become columns (Warren, Hacker's
/// Delight, 7-3).
uint64_t Turn(uint64_t bits) {
  uint64_t moved = (bits ^ bits >> 7) & 0x00AA00AA00AA00AA;
  bits ^= moved ^ moved << 7;
  moved = (bits ^ bits >> 14) & 0x0000CCCC0000CCCC;
  bits ^= moved ^ moved << 14;
  moved = (bits ^ bits >> 28) & 0x00000000F0F0F0F0;
  return bits ^ moved ^ moved << 28;
}

/// The values of one word into a slot of its 64 records; zeros for nulls.
template <typename Value, size_t kSlots>
void FillSlot(const PlainColumn::Word& word, uint64_t* slot) {
  int64_t rank = 0;
  for (int64_t i = 0; i < kWordRows; ++i) {
    const auto valid = static_cast<int64_t>(word.valid >> i & 1);
    Value value;  // behind the last one there may be no memory: then the first
    std::memcpy(&value, word.values + (rank & -valid) * static_cast<int64_t>(sizeof(Value)),
                sizeof(Value));
    slot[static_cast<size_t>(i) * kSlots] = value & static_cast<Value>(-valid);
    rank += valid;
  }
}

template <typename Value, size_t kSlots>
void TakeSlot(const std::array<const uint64_t*, kWordRows>& records, size_t slot, int64_t count,
              uint8_t* to) {
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<Value>(records[static_cast<size_t>(i)][slot]);
    std::memcpy(to + i * static_cast<int64_t>(sizeof(Value)), &value, sizeof(Value));
  }
}

}  // namespace

int64_t RowRecords::Bytes(size_t columns, int64_t rows) {
  return rows * (static_cast<int64_t>(std::bit_ceil(columns)) * kSlotBytes + 1);
}

Status RowRecords::Load(const std::vector<std::unique_ptr<PlainRows>>& columns) {
  widths_.clear();
  for (const auto& column : columns) widths_.push_back(column->width());
  slots_ = std::bit_ceil(columns.size());
  const auto words = static_cast<int64_t>(columns[0]->words().size());
  none_ = static_cast<uint32_t>((words - 1) * kWordRows);
  const int64_t bytes = words * kWordRows * static_cast<int64_t>(slots_) * kSlotBytes;
  if (records_ == nullptr || records_->size() < bytes) {
    records_.reset();  // before the next is asked for
    ARROW_ASSIGN_OR_RAISE(records_, arrow::AllocateBuffer(bytes, LargeMemory()));
    ARROW_ASSIGN_OR_RAISE(valid_,
                          arrow::AllocateBuffer(words * kWordRows, LargeMemory()));
  }
  return ParallelFor((words + kFillWords - 1) / kFillWords, [&](int64_t piece) {
    const int64_t begin = piece * kFillWords, end = std::min(begin + kFillWords, words);
    if (slots_ == 2) {
      Fill<2>(columns, begin, end);
    } else {
      Fill<4>(columns, begin, end);
    }
    return Status::OK();
  });
}

template <size_t kSlots>
void RowRecords::Fill(const std::vector<std::unique_ptr<PlainRows>>& columns, int64_t begin,
                      int64_t end) {
  auto* records = reinterpret_cast<uint64_t*>(records_->mutable_data());
  for (int64_t w = begin; w < end; ++w) {
    uint64_t* first = records + static_cast<size_t>(w * kWordRows) * kSlots;
    std::array<uint64_t, kMostColumns> valid{};
    for (size_t c = 0; c < columns.size(); ++c) {
      const PlainColumn::Word& word = columns[c]->words()[static_cast<size_t>(w)];
      valid[c] = word.valid;
      if (widths_[c] == 8) {
        FillSlot<uint64_t, kSlots>(word, first + c);
      } else {
        FillSlot<uint32_t, kSlots>(word, first + c);
      }
    }
    for (int64_t eight = 0; eight < 8; ++eight) {
      uint64_t bits = 0;
      for (size_t c = 0; c < columns.size(); ++c) {
        bits |= (valid[c] >> (8 * eight) & 0xFF) << (8 * c);
      }
      bits = Turn(bits);
      std::memcpy(valid_->mutable_data() + w * kWordRows + eight * 8, &bits, 8);
    }
  }
}

void RowRecords::Gather(const uint32_t* numbers, int64_t count,
                        const std::vector<GatherTarget>& to) const {
  if (slots_ == 2) {
    GatherSlots<2>(numbers, count, to);
  } else {
    GatherSlots<4>(numbers, count, to);
  }
}

template <size_t kSlots>
void RowRecords::GatherSlots(const uint32_t* numbers, int64_t count,
                             const std::vector<GatherTarget>& to) const {
  const auto* records = reinterpret_cast<const uint64_t*>(records_->data());
  const uint8_t* valid = valid_->data();
  for (int64_t begin = 0; begin < count; begin += kWordRows) {
    for (int64_t i = begin + kWordRows; i < std::min(begin + 2 * kWordRows, count); ++i) {
      const size_t number = std::min(numbers[i], none_);
      __builtin_prefetch(records + number * kSlots);
      __builtin_prefetch(valid + number);
    }
    const int64_t size = std::min(kWordRows, count - begin);
    std::array<const uint64_t*, kWordRows> at;
    std::array<uint8_t, kWordRows> rows_valid{};
    for (int64_t i = 0; i < size; ++i) {
      const size_t number = std::min(numbers[begin + i], none_);
      at[static_cast<size_t>(i)] = records + number * kSlots;
      rows_valid[static_cast<size_t>(i)] = valid[number];
    }
    std::array<uint64_t, kMostColumns> bits{};  // of each column
    for (size_t eight = 0; eight < 8; ++eight) {
      uint64_t rows;
      std::memcpy(&rows, rows_valid.data() + 8 * eight, 8);
      rows = Turn(rows);
      for (size_t c = 0; c < to.size(); ++c) bits[c] |= (rows >> (8 * c) & 0xFF) << (8 * eight);
    }
    for (size_t c = 0; c < to.size(); ++c) {
      uint8_t* values = to[c].values + begin * widths_[c];
      if (widths_[c] == 8) {
        TakeSlot<uint64_t, kSlots>(at, c, size, values);
      } else {
        TakeSlot<uint32_t, kSlots>(at, c, size, values);
      }
      std::memcpy(to[c].bitmap + begin / 8, &bits[c], static_cast<size_t>((size + 7) / 8));
    }
  }
}

}  // namespace tercet
