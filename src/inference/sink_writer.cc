#include "inference/sink_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace tercet {
namespace {

int64_t SizeOf(const SinkRecord& record) {
  return static_cast<int64_t>(sizeof(record) + record.key.size() + record.json.size()) +
         record.row_bytes;
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
  work_.notify_one();
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
      ++offered_;
      queue_.push_back(std::move(record));
    }
    if (queue_.empty()) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  work_.notify_one();
}

SinkWriter::Ticket SinkWriter::Ask() {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) return {};
  asked_offered_ = offered_;
  const Ticket ticket{.settle = ++asked_, .offered = offered_};
  work_.notify_one();
  return ticket;
}

bool SinkWriter::Await(const Ticket& ticket, std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto done = [&] {
    return handled_ >= ticket.offered && published_ >= ticket.settle;
  };
  // A try that was under way at the Ask proves nothing of how it would go now.
  settled_.wait_until(lock, until, [&] { return done() || failed_ >= ticket.settle; });
  return done();
}

PredictionSinkStatistics SinkWriter::Statistics() const {
  const std::lock_guard lock(mutex_);
  PredictionSinkStatistics statistics = statistics_;
  statistics.waiting = static_cast<int64_t>(queue_.size());
  return statistics;
}

bool SinkWriter::MustPublish() const {
  if (stopping_) return queue_.empty();
  if (published_ < asked_ && handled_ >= asked_offered_) return true;
  const auto due = sink_ == nullptr ? std::nullopt : sink_->publish_at();
  return due && *due <= std::chrono::steady_clock::now();
}

void SinkWriter::Rest(std::unique_lock<std::mutex>* lock) {
  const auto busy = [&] { return stopping_ || !queue_.empty() || published_ < asked_; };
  const auto due = sink_ == nullptr ? std::nullopt : sink_->publish_at();
  if (due) {
    work_.wait_until(*lock, *due, busy);
  } else {
    work_.wait(*lock, busy);
  }
}

void SinkWriter::Run() {
  std::unique_lock lock(mutex_);
  auto pause = pauses_.first;
  while (true) {
    Rest(&lock);
    const bool last = stopping_;
    const int64_t asked = asked_;
    const Status tried = Try(&lock);
    if (tried.ok()) {
      pause = pauses_.first;
      settled_.notify_all();
      if (last && queue_.empty()) return;
      continue;
    }
    failed_ = asked;
    statistics_.last_error = tried.message();
    if (last) {
      const auto lost = static_cast<int64_t>(queue_.size());
      statistics_.failed += lost;
      LogWarn("ended with " + std::to_string(lost) + " rows not written to the sink '" +
              statistics_.sink + "': " + tried.ToString());
      handled_ += lost;
      queue_.clear();
      bytes_ = 0;
      settled_.notify_all();
      return;
    }
    if (pause == pauses_.first) {
      LogWarn("the sink '" + statistics_.sink + "' is tried again: " + tried.ToString());
    }
    settled_.notify_all();
    work_.wait_for(lock, pause, [&] { return stopping_ || asked_ > asked; });
    pause = std::min(2 * pause, pauses_.longest);
    ++statistics_.retries;
  }
}

Status SinkWriter::Try(std::unique_lock<std::mutex>* lock) {
  const int64_t asked = asked_;
  if (!queue_.empty()) {
    const size_t count = std::min(queue_.size(), kMostRecords);
    // Copied, since the queue is where they wait when this fails.
    const std::vector<SinkRecord> records(queue_.begin(),
                                          queue_.begin() + static_cast<int64_t>(count));
    lock->unlock();
    size_t done = 0;
    const Status written = Write(records, &done);
    lock->lock();
    for (size_t i = 0; i < done; ++i) {
      bytes_ -= SizeOf(queue_.front());
      queue_.pop_front();
    }
    handled_ += static_cast<int64_t>(done);
    ARROW_RETURN_NOT_OK(written);
  }
  if (!MustPublish()) return Status::OK();
  const bool all = handled_ >= asked_offered_;
  if (sink_ != nullptr) {
    lock->unlock();
    const Status published = sink_->Publish();
    lock->lock();
    ARROW_RETURN_NOT_OK(published);
  }
  if (all) published_ = asked;
  return Status::OK();
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
