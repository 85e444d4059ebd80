#include "inference/prediction_log.h"

#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "inference/prediction_rows.h"
#include "inference/prediction_table.h"

namespace tercet {
namespace {

int64_t SizeOf(const arrow::ArrayData& data) {
  int64_t size = 0;
  for (const auto& buffer : data.buffers) size += buffer == nullptr ? 0 : buffer->size();
  for (const auto& child : data.child_data) size += SizeOf(*child);
  return size;
}

/// About the memory that a request holds while it waits.
int64_t SizeOf(const AnsweredRequest& request) {
  constexpr int64_t kArrayBytes = 200;  // of an Arrow array around its buffers
  int64_t size = sizeof(request) + static_cast<int64_t>(request.reads.size()) *
                                       (24 * request.rows() + kArrayBytes);
  for (const auto* batch :
       {&request.entities, &request.features, &request.outputs, &request.raw_outputs}) {
    if (*batch == nullptr) continue;
    for (const auto& column : (*batch)->column_data()) size += kArrayBytes + SizeOf(*column);
  }
  return size;
}

/// Of what the disk refuses now, it may take more a moment later.
Status Persist(FeatureTables* tables, const std::string& deployment, const LogRows& rows,
               size_t keys) {
  constexpr int kTries = 3;
  Status written;
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100 * i));
    written = AppendPredictions(tables, deployment, rows.rows, keys);
    if (!written.IsIOError()) break;
  }
  return written;
}

}  // namespace

PredictionLog::~PredictionLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  offered_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PredictionLog::Offer(AnsweredRequest request) {
  const int64_t size = SizeOf(request);
  const int64_t rows = request.rows();
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (bytes_ + size > kQueueBytes || stopping_) {
      request.book->Dropped(rows);
      return;
    }
    request.book->Waiting(rows);
    // The writer sleeps while nothing waits, and until much does: mostly nobody is to be woken.
    wake = queue_.empty() || (bytes_ < kEagerBytes && bytes_ + size >= kEagerBytes);
    bytes_ += size;
    queue_.push_back(std::move(request));
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  if (wake) offered_.notify_all();
}

Status PredictionLog::Flush() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return Status::OK();
  const int64_t mine = ++wanted_;
  offered_.notify_all();
  flushed_.wait(lock, [&] { return done_ >= mine; });
  Status status = status_;
  lock.unlock();
  sinks_.Settle(std::chrono::steady_clock::now() + kSinkPatience);
  return status;
}

void PredictionLog::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    offered_.wait(lock, [&] { return stopping_ || wanted_ > done_ || !queue_.empty(); });
    offered_.wait_for(lock, kInterval, [&] {
      return stopping_ || wanted_ > done_ || bytes_ >= kEagerBytes;
    });
    const int64_t doing = wanted_;
    Batch batch = std::exchange(queue_, {});
    bytes_ = 0;
    const bool last = stopping_;
    lock.unlock();
    const Status written = Write(batch);
    batch.clear();
    lock.lock();
    status_ = written;
    done_ = doing;
    flushed_.notify_all();
    if (last && queue_.empty()) return;
  }
}

Status PredictionLog::Write(const Batch& batch) {
  // By deployment and release, whose columns are alike.
  std::map<std::pair<std::string, std::string>, std::vector<const AnsweredRequest*>> parts;
  for (const AnsweredRequest& request : batch) {
    parts[{request.deployment, request.loaded->release().id}].push_back(&request);
  }
  Status first_failure;
  for (const auto& [part, requests] : parts) {
    int64_t count = 0;
    for (const AnsweredRequest* request : requests) count += request->rows();
    PredictionLogBook& book = *requests[0]->book;
    const auto rows = LogRowsOf(requests);
    Status written = rows.status();
    if (rows.ok()) {
      const size_t keys = LogKeys(*requests[0]->loaded).size();
      const AnsweredRequest& newest = *requests.back();  // whose policy is the newest
      if (newest.sinks != nullptr) sinks_.Offer(part.first, *newest.sinks, *rows->rows, keys);
      if (rows->rows->num_rows() > 0) written = Persist(tables_, part.first, *rows, keys);
      if (rows->without_entity > 0) {
        count -= rows->without_entity;
        book.Failed(rows->without_entity, "requests without an entity can't be keyed");
      }
    }
    if (written.ok()) {
      book.Written(count);
    } else {
      written = Explain(written, "the prediction log of deployment '" + part.first + "'");
      book.Failed(count, std::string(written.message()));
      LogWarn("lost " + std::to_string(count) + " rows: " + written.ToString());
      if (first_failure.ok()) first_failure = written;
    }
  }
  return first_failure;
}

}  // namespace tercet
