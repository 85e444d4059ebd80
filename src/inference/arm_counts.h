#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// A latency histogram of sixteen buckets an octave: each bound is at most 6.25 percent above the
/// one before, from 16 ns to eighteen minutes.
class FineHistogram {
 public:
  void Add(int64_t ns) { ++counts_[BucketOf(ns)]; }
  void Merge(const FineHistogram& other);
  int64_t count() const;
  /// The upper bound, in ns, of the bucket that has the value of this rank; 0 without values.
  int64_t Quantile(double p) const;
  /// Values in buckets that lie wholly above `ns`.
  int64_t CountAbove(int64_t ns) const;
  json::array ToJson() const;  ///< [[bucket, count], …]
  static Result<FineHistogram> FromJson(const json::array& array);

 private:
  static constexpr size_t kBuckets = 37 * 16;
  static size_t BucketOf(int64_t ns);
  static int64_t UpperBoundOf(size_t bucket);
  std::array<int64_t, kBuckets> counts_{};
};

/// What one arm did in one step of a trial.
struct ArmCounts {
  int64_t successes = 0;
  int64_t failures = 0;
  FineHistogram latency;              ///< of successes
  std::map<int64_t, int64_t> values;  ///< of the first output, by ValueBucket
  int64_t requests() const { return successes + failures; }
  void Merge(const ArmCounts& other);
  json::object ToJson() const;
  static Result<ArmCounts> FromJson(const json::object& object);
};

/// By the release's number.
using TrialCounts = std::map<int64_t, ArmCounts>;
json::object ToJson(const TrialCounts& counts);
Result<TrialCounts> TrialCountsFromJson(const json::object& object);
void Merge(const TrialCounts& from, TrialCounts* into);

/// A number's place among buckets of an eighth of its octave, of either sign; ascending. Numbers
/// nearer to 0 than 2^-40 share a bucket; NaN has one of its own.
int64_t ValueBucket(double value);

/// Counts one process's requests of a trial's step. Thread-safe.
class ArmBook {
 public:
  void Answered(int64_t number, int64_t total_ns);
  void Failed(int64_t number);
  /// Counts the first output's values of some of the rows, when it is a number.
  void Gave(int64_t number, const arrow::RecordBatch& outputs);
  TrialCounts Read() const;

 private:
  mutable std::mutex mutex_;
  TrialCounts counts_;  ///< guarded by mutex_
};

}  // namespace tercet
