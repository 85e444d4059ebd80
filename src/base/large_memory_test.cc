#include "base/large_memory.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include <arrow/buffer.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(LargeMemory, LargeAllocationsAreZeroAndReturned) {
  arrow::MemoryPool* pool = LargeMemory();
  const int64_t before = pool->bytes_allocated();
  for (const int64_t size : {kLargeBytes, kLargeBytes + 1, 9 * kLargeBytes - 63}) {
    uint8_t* memory = nullptr;
    ASSERT_TRUE(pool->Allocate(size, &memory).ok());
    EXPECT_EQ(std::count(memory, memory + size, 0), size);
    std::memset(memory, 0xAB, static_cast<size_t>(size));  // so that the next would see it
    EXPECT_EQ(pool->bytes_allocated(), before + size);
    pool->Free(memory, size);
    EXPECT_EQ(pool->bytes_allocated(), before);
  }
}

TEST(LargeMemory, KeepsWhatFitsWhenItGrowsAndShrinks) {
  arrow::MemoryPool* pool = LargeMemory();
  int64_t size = 1000;
  uint8_t* memory = nullptr;
  ASSERT_TRUE(pool->Allocate(size, &memory).ok());
  for (int64_t i = 0; i < size; ++i) memory[i] = static_cast<uint8_t>(i);
  for (const int64_t next : {int64_t{5000}, kLargeBytes, 7 * kLargeBytes + 5, 3 * kLargeBytes,
                             kLargeBytes - 1, int64_t{2000}}) {
    ASSERT_TRUE(pool->Reallocate(size, next, &memory).ok());
    size = next;
    for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(memory[i], static_cast<uint8_t>(i)) << next;
    memory[size - 1] = 1;  // all of it is ours
  }
  pool->Free(memory, size);
}

TEST(LargeMemory, RefusesWhatNoMachineHas) {
  uint8_t* memory = nullptr;
  EXPECT_TRUE(LargeMemory()->Allocate(int64_t{1} << 55, &memory).IsOutOfMemory());
}

TEST(LargeMemory, ServesManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 20; ++i) {
        const int64_t size = kLargeBytes * (1 + (i + t) % 4) + i;
        auto buffer = arrow::AllocateBuffer(size, LargeMemory());
        ASSERT_TRUE(buffer.ok());
        std::memset((*buffer)->mutable_data(), t, static_cast<size_t>(size));
        EXPECT_EQ((*buffer)->data()[size - 1], t);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(LargeMemory, PopulatingKeepsWhatThereIs) {
  const int64_t size = 3 * kLargeBytes;
  const auto buffer = arrow::AllocateBuffer(size, LargeMemory()).ValueOrDie();
  uint8_t* memory = buffer->mutable_data();
  memory[5000] = 7;
  PopulatePages(memory + 4999, 2 * kLargeBytes);
  PopulatePages(memory, 0);
  PopulatePages(memory + size - 1, 1);
  EXPECT_EQ(memory[5000], 7);
  EXPECT_EQ(std::count(memory, memory + size, 0), size - 1);
}

}  // namespace
}  // namespace tercet
