#include "base/recycled_memory.h"

#include <cstring>

#include <gtest/gtest.h>

namespace tercet {
namespace {

constexpr int64_t kSize = 1'000'000;

uint8_t* Take(int64_t size) {
  uint8_t* memory = nullptr;
  EXPECT_TRUE(RecycledMemory()->Allocate(size, &memory).ok());
  std::memset(memory, 1, static_cast<size_t>(size));
  return memory;
}

TEST(RecycledMemory, GivesTheSameBlockAgainWhileItIsInUse) {
  const RecycledMemoryUse use(4 * kSize);
  uint8_t* const first = Take(kSize);
  RecycledMemory()->Free(first, kSize);
  uint8_t* const second = Take(kSize - 1000);  // of the same class
  EXPECT_EQ(second, first);
  uint8_t* const other = Take(kSize);
  EXPECT_NE(other, second);
  RecycledMemory()->Free(second, kSize - 1000);
  RecycledMemory()->Free(other, kSize);
}

TEST(RecycledMemory, KeepsNoMoreThanItsLimit) {
  const RecycledMemoryUse use(3 * kSize);
  uint8_t* blocks[4];
  for (uint8_t*& block : blocks) block = Take(kSize);
  for (uint8_t* const block : blocks) RecycledMemory()->Free(block, kSize);
  // Two of them are kept with all that they take; the one that came last is given first.
  EXPECT_EQ(Take(kSize), blocks[1]);
  EXPECT_EQ(Take(kSize), blocks[0]);
  RecycledMemory()->Free(blocks[0], kSize);
  RecycledMemory()->Free(blocks[1], kSize);
}

TEST(RecycledMemory, CountsWhatIsInUse) {
  const int64_t before = RecycledMemory()->bytes_allocated();
  uint8_t* memory = Take(kSize);
  EXPECT_EQ(RecycledMemory()->bytes_allocated(), before + kSize);
  const RecycledMemoryUse use(4 * kSize);
  ASSERT_TRUE(RecycledMemory()->Reallocate(kSize, 2 * kSize, &memory).ok());
  EXPECT_EQ(memory[kSize - 1], 1);
  EXPECT_EQ(RecycledMemory()->bytes_allocated(), before + 2 * kSize);
  RecycledMemory()->Free(memory, 2 * kSize);
  EXPECT_EQ(RecycledMemory()->bytes_allocated(), before);
}

TEST(RecycledMemory, TakesSmallOnesToo) {
  const RecycledMemoryUse use(kSize);
  uint8_t* memory = Take(100);
  ASSERT_TRUE(RecycledMemory()->Reallocate(100, kSize, &memory).ok());
  EXPECT_EQ(memory[99], 1);
  RecycledMemory()->Free(memory, kSize);
}

}  // namespace
}  // namespace tercet
