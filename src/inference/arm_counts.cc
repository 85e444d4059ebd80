#include "inference/arm_counts.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include <arrow/compute/cast.h>

#include "base/short_text.h"

namespace tercet {
namespace {

constexpr int64_t kSubBuckets = 16;
/// Of a request's rows, as many tell how its outputs are spread.
constexpr int64_t kValuesPerRequest = 64;

/// Calls `add(bucket, count)` for each pair of [[bucket, count], …].
template <typename Add>
Status ReadPairs(const json::array& array, const Add& add) {
  for (const json::value& item : array) {
    const json::array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64()) {
      return Status::Invalid("counts must be pairs of a bucket and a count");
    }
    ARROW_RETURN_NOT_OK(add((*pair)[0].as_int64(), (*pair)[1].as_int64()));
  }
  return Status::OK();
}

}  // namespace

size_t FineHistogram::BucketOf(int64_t ns) {
  if (ns < kSubBuckets) return static_cast<size_t>(std::max<int64_t>(ns, 0));
  // The leading bit says the octave, the next four the place in it.
  const int octave = std::bit_width(static_cast<uint64_t>(ns)) - 5;
  const size_t bucket =
      static_cast<size_t>((octave + 1) * kSubBuckets + ((ns >> octave) - kSubBuckets));
  return std::min(bucket, kBuckets - 1);
}

int64_t FineHistogram::UpperBoundOf(size_t bucket) {
  const int64_t place = static_cast<int64_t>(bucket);
  if (place < kSubBuckets) return place + 1;
  const int64_t octave = place / kSubBuckets - 1;
  return (kSubBuckets + place % kSubBuckets + 1) << octave;
}

void FineHistogram::Merge(const FineHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
}

int64_t FineHistogram::count() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

int64_t FineHistogram::Quantile(double p) const {
  const int64_t total = count();
  if (total == 0) return 0;
  const int64_t rank = std::clamp<int64_t>(
      static_cast<int64_t>(std::ceil(p * static_cast<double>(total))), 1, total);
  int64_t seen = 0;
  size_t bucket = 0;
  while (seen + counts_[bucket] < rank) seen += counts_[bucket++];
  return UpperBoundOf(bucket);
}

int64_t FineHistogram::CountAbove(int64_t ns) const {
  int64_t above = 0;
  for (size_t i = BucketOf(ns) + 1; i < kBuckets; ++i) above += counts_[i];
  return above;
}

json::array FineHistogram::ToJson() const {
  json::array pairs;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] != 0) pairs.push_back(json::array{static_cast<int64_t>(i), counts_[i]});
  }
  return pairs;
}

Result<FineHistogram> FineHistogram::FromJson(const json::array& array) {
  FineHistogram histogram;
  ARROW_RETURN_NOT_OK(ReadPairs(array, [&](int64_t bucket, int64_t count) {
    if (bucket < 0 || bucket >= static_cast<int64_t>(kBuckets) || count < 0) {
      return Status::Invalid("a latency histogram has no bucket ", bucket, " with ", count);
    }
    histogram.counts_[static_cast<size_t>(bucket)] += count;
    return Status::OK();
  }));
  return histogram;
}

void ArmCounts::Merge(const ArmCounts& other) {
  successes += other.successes;
  failures += other.failures;
  latency.Merge(other.latency);
  for (const auto& [bucket, count] : other.values) values[bucket] += count;
}

json::object ArmCounts::ToJson() const {
  json::array pairs;
  for (const auto& [bucket, count] : values) pairs.push_back(json::array{bucket, count});
  return {{"successes", successes},
          {"failures", failures},
          {"latency", latency.ToJson()},
          {"values", std::move(pairs)}};
}

Result<ArmCounts> ArmCounts::FromJson(const json::object& object) {
  ArmCounts arm;
  ARROW_ASSIGN_OR_RAISE(arm.successes, GetInt(object, "successes"));
  ARROW_ASSIGN_OR_RAISE(arm.failures, GetInt(object, "failures"));
  ARROW_ASSIGN_OR_RAISE(const json::array latency, FindArray(object, "latency"));
  ARROW_ASSIGN_OR_RAISE(arm.latency, FineHistogram::FromJson(latency));
  ARROW_ASSIGN_OR_RAISE(const json::array values, FindArray(object, "values"));
  ARROW_RETURN_NOT_OK(ReadPairs(values, [&](int64_t bucket, int64_t count) {
    arm.values[bucket] += count;
    return Status::OK();
  }));
  return arm;
}

json::object ToJson(const TrialCounts& counts) {
  json::object object;
  for (const auto& [number, arm] : counts) object[std::to_string(number)] = arm.ToJson();
  return object;
}

Result<TrialCounts> TrialCountsFromJson(const json::object& object) {
  TrialCounts counts;
  for (const auto& item : object) {
    int64_t number = 0;
    const std::string_view key = item.key();
    const auto read = std::from_chars(key.data(), key.data() + key.size(), number);
    if (read.ec != std::errc() || read.ptr != key.data() + key.size() ||
        !item.value().is_object()) {
      return Status::Invalid("'", ShortText(key, 40), "' is no release's counts");
    }
    ARROW_ASSIGN_OR_RAISE(counts[number], ArmCounts::FromJson(item.value().as_object()));
  }
  return counts;
}

void Merge(const TrialCounts& from, TrialCounts* into) {
  for (const auto& [number, arm] : from) (*into)[number].Merge(arm);
}

int64_t ValueBucket(double value) {
  constexpr int64_t kLeastExponent = -40;
  constexpr int64_t kNan = 1 << 20;
  if (std::isnan(value)) return kNan;
  if (std::isinf(value)) return value > 0 ? kNan - 1 : -kNan;
  int exponent = 0;
  const double fraction = std::frexp(std::abs(value), &exponent);  // in [0.5, 1)
  if (value == 0 || exponent < kLeastExponent) return 0;
  const int64_t place = (exponent - kLeastExponent) * 8 +
                        static_cast<int64_t>((fraction - 0.5) * 16) + 1;
  return value > 0 ? place : -place;
}

void ArmBook::Answered(int64_t number, int64_t total_ns) {
  const std::lock_guard lock(mutex_);
  ArmCounts& arm = counts_[number];
  ++arm.successes;
  arm.latency.Add(total_ns);
}

void ArmBook::Failed(int64_t number) {
  const std::lock_guard lock(mutex_);
  ++counts_[number].failures;
}

void ArmBook::Gave(int64_t number, const arrow::RecordBatch& outputs) {
  if (outputs.num_columns() == 0) return;
  const auto column =
      outputs.column(0)->Slice(0, std::min(outputs.num_rows(), kValuesPerRequest));
  const bool numeric =
      arrow::is_numeric(column->type_id()) || column->type_id() == arrow::Type::BOOL;
  if (!numeric) return;
  const auto cast = arrow::compute::Cast(column, arrow::float64());
  if (!cast.ok()) return;  // every number can be one of 64 bits
  const auto numbers = cast->make_array();
  const auto& values = static_cast<const arrow::DoubleArray&>(*numbers);
  const std::lock_guard lock(mutex_);
  auto& buckets = counts_[number].values;
  for (int64_t i = 0; i < values.length(); ++i) {
    ++buckets[ValueBucket(values.IsNull(i) ? NAN : values.Value(i))];
  }
}

TrialCounts ArmBook::Read() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace tercet
