#include "online/row_memory.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(RowMemory, PiecesAreApartAndOnLinesOfTheirOwn) {
  struct Taken {
    char* bytes;
    size_t size;
    char mark;
  };
  RowPages pages;
  RowSlots slots;
  std::vector<Taken> taken;
  std::mt19937 random(5);
  const auto give = [&](size_t i) {
    const Taken one = taken[i];
    ASSERT_EQ(std::count(one.bytes, one.bytes + one.size, one.mark),
              static_cast<int64_t>(one.size));
    slots.Give(&pages, one.bytes, one.size);
    taken[i] = taken.back();
    taken.pop_back();
  };
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 5 < 2 && !taken.empty()) {
      give(random() % taken.size());
      continue;
    }
    const size_t size = 1 + random() % (RowSlots::kMostBytes + 200);
    const Taken one{static_cast<char*>(slots.Take(&pages, size)), size,
                    static_cast<char>(random())};
    if (size <= RowSlots::kMostBytes) {
      ASSERT_EQ(reinterpret_cast<uintptr_t>(one.bytes) % 64, 0u);
    }
    std::memset(one.bytes, one.mark, size);
    taken.push_back(one);
  }
  while (!taken.empty()) give(taken.size() - 1);
}

TEST(RowMemory, PagesServeOtherLengthsOnceTheyAreEmpty) {
  RowPages pages;
  RowSlots slots;
  const auto pages_of = [&](size_t size) {
    std::vector<void*> taken;
    std::set<uintptr_t> seen;
    for (int i = 0; i < 2000; ++i) {
      taken.push_back(slots.Take(&pages, size));
      seen.insert(reinterpret_cast<uintptr_t>(taken.back()) / RowPages::kPageBytes);
    }
    for (void* slot : taken) slots.Give(&pages, slot, size);
    return seen;
  };
  const auto first = pages_of(200);
  EXPECT_EQ(first.size(), 32u);  // 63 pieces of 256 bytes each
  const auto second = pages_of(100);
  EXPECT_TRUE(std::includes(first.begin(), first.end(), second.begin(), second.end()));
}

TEST(RowMemory, ZerosAreZerosAndAlone) {
  RowPages pages;
  const size_t sizes[] = {1, RowPages::kPageBytes + 1, 40 << 20, 5 << 20};
  for (const size_t size : sizes) {
    auto* bytes = static_cast<char*>(pages.TakeZeros(size));
    EXPECT_EQ(bytes[0], 0);
    EXPECT_EQ(bytes[size - 1], 0);
    std::memset(bytes, 1, std::min<size_t>(size, 1 << 20));
    bytes[size - 1] = 1;
    std::memset(pages.Take(), 1, RowPages::kPageBytes);
  }
}

}  // namespace
}  // namespace tercet
