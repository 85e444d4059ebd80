#pragma once

#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catalog/vector_rows.h"
#include "inference/answered_request.h"

namespace tercet {

/// Tells the time between calls.
class Laps {
 public:
  Laps() = default;
  explicit Laps(std::chrono::steady_clock::time_point begun) : last_(begun) {}

  /// Nanoseconds since the last call, or since this was made.
  int64_t Next() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now - std::exchange(last_, now))
        .count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// The online rows of one request, with the time that reading them takes and, where the request is
/// logged, with what was found.
class TimedRows : public VectorRows {
 public:
  TimedRows(VectorRows* rows, AnsweredRequest* log) : rows_(rows), log_(log) {}
  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override {
    Laps laps;
    auto answers = rows_->Read(requests);
    spent_ns_ += laps.Next();
    if (log_ == nullptr || !answers.ok()) return answers;
    for (size_t i = 0; i < answers->size(); ++i) {
      const RowsAnswer& answer = (*answers)[i];
      log_->reads.push_back({.group = requests[i].group,
                             .version = answer.version,
                             .status = answer.status,
                             .event_times_us = answer.event_times_us,
                             .commits = answer.commits});
    }
    return answers;
  }
  Result<bool> ReadCells(std::span<const CellColumns> groups, std::span<const std::string> keys,
                         int64_t event_time_us, CellsAnswer* answer) override {
    Laps laps;
    auto answered = rows_->ReadCells(groups, keys, event_time_us, answer);
    spent_ns_ += laps.Next();
    return answered;
  }
  Result<bool> ReadVectorCells(const VectorRead& read, std::string_view key, int64_t event_time_us,
                               CellsAnswer* answer) override {
    Laps laps;
    auto answered = rows_->ReadVectorCells(read, key, event_time_us, answer);
    spent_ns_ += laps.Next();
    return answered;
  }
  int64_t spent_ns() const { return spent_ns_; }

 private:
  VectorRows* const rows_;
  AnsweredRequest* const log_;  // null: it is not logged
  int64_t spent_ns_ = 0;
};

}  // namespace tercet
