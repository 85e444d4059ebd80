#include "online/group_sync.h"

#include <gtest/gtest.h>

#include <atomic>

namespace tercet {
namespace {

constexpr int64_t kLong = 60'000'000;

Status Applied(OnlineStore*, const Ref&, int64_t) { return Status::OK(); }

TEST(GroupSync, MayBeClosedWhileCallsAreOnTheirWay) {
  GroupSync sync(nullptr, &Applied, nullptr);
  std::atomic<int> synced{0};
  // Groups that were never seen: each call makes an entry of its own.
  std::thread caller([&] {
    Status status;
    for (int i = 0; status.ok(); ++i) {
      status = sync.SyncTo({"g" + std::to_string(i), 1}, -1, kLong);
      ++synced;
    }
    EXPECT_TRUE(status.IsCancelled()) << status.ToString();
  });
  while (synced < 10) std::this_thread::yield();
  sync.Close();
  caller.join();
}

TEST(GroupSync, AFailureIsTheCallersAndTheNextCallTriesAgain) {
  std::atomic<int> runs{0};
  GroupSync sync(
      nullptr,
      [&](OnlineStore*, const Ref&, int64_t) {
        return ++runs == 1 ? Status::IOError("no disk") : Status::OK();
      },
      nullptr);
  EXPECT_TRUE(sync.SyncTo({"g", 1}, -1, kLong).IsIOError());
  EXPECT_TRUE(sync.SyncTo({"g", 1}, -1, kLong).ok());
  EXPECT_TRUE(sync.Rebuild({"g", 1}, -1, kLong).IsNotImplemented());
}

}  // namespace
}  // namespace tercet
