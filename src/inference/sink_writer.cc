#include "inference/sink_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace tercet {
namespace {

int64_t SizeOf(const SinkRecord& record) {
  return static_cast<int64_t>(sizeof(record) + record.key.size() + record.json.size());
}

}  // namespace

SinkWriter::SinkWriter(std::string name, Open open, Pauses pauses)
    : open_(std::move(open)), pauses_(pauses) {
  statistics_.sink = std::move(name);
}

SinkWriter::~SinkWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SinkWriter::Offer(std::vector<SinkRecord> records) {
  {
    const std::lock_guard lock(mutex_);
    for (SinkRecord& record : records) {
      const int64_t size = SizeOf(record);
      if (bytes_ + size > kQueueBytes || stopping_) {
        ++statistics_.dropped;
        continue;
      }
      bytes_ += size;
      queue_.push_back(std::move(record));
    }
    if (queue_.empty()) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  changed_.notify_all();
}

void SinkWriter::Settle() {
  std::unique_lock lock(mutex_);
  const int64_t failures = failures_;
  ++wanted_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return queue_.empty() || failures_ > failures; });
}

PredictionSinkStatistics SinkWriter::Statistics() const {
  const std::lock_guard lock(mutex_);
  PredictionSinkStatistics statistics = statistics_;
  statistics.waiting = static_cast<int64_t>(queue_.size());
  return statistics;
}

void SinkWriter::Run() {
  std::unique_lock lock(mutex_);
  auto pause = pauses_.first;
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const bool last = stopping_;
    const int64_t tried = wanted_;
    const size_t count = std::min(queue_.size(), kMostRecords);
    // Copied, since the queue is where they wait when this fails.
    const std::vector<SinkRecord> records(queue_.begin(),
                                          queue_.begin() + static_cast<int64_t>(count));
    lock.unlock();
    size_t done = 0;
    const Status written = Write(records, &done);
    lock.lock();
    for (size_t i = 0; i < done; ++i) {
      bytes_ -= SizeOf(queue_.front());
      queue_.pop_front();
    }
    if (!written.ok() && last) {
      const auto lost = static_cast<int64_t>(queue_.size());
      statistics_.failed += lost;
      statistics_.last_error = written.message();
      LogWarn("lost " + std::to_string(lost) + " rows for the sink '" + statistics_.sink +
              "': " + written.ToString());
      queue_.clear();
      bytes_ = 0;
    }
    if (written.ok() || last) {
      pause = pauses_.first;
      changed_.notify_all();
      continue;
    }
    ++failures_;
    statistics_.last_error = written.message();
    if (pause == pauses_.first) {
      LogWarn("the sink '" + statistics_.sink + "' is tried again: " + written.ToString());
    }
    changed_.notify_all();
    changed_.wait_for(lock, pause, [&] { return stopping_ || wanted_ > tried; });
    pause = std::min(2 * pause, pauses_.longest);
    ++statistics_.retries;
  }
}

Status SinkWriter::Write(std::span<const SinkRecord> records, size_t* done) {
  if (sink_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(sink_, open_());
  }
  const Status written = sink_->Write(records);
  if (written.IsIOError()) return written;
  if (!written.ok() && records.size() > 1) {
    const size_t half = records.size() / 2;
    ARROW_RETURN_NOT_OK(Write(records.first(half), done));
    return Write(records.subspan(half), done);
  }
  *done += records.size();
  const std::lock_guard lock(mutex_);
  if (written.ok()) {
    statistics_.written += static_cast<int64_t>(records.size());
  } else {
    ++statistics_.failed;
    statistics_.last_error = written.message();
  }
  return Status::OK();
}

}  // namespace tercet
