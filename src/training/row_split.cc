#include "training/row_split.h"

#include <algorithm>

#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/api.h>

#include "base/parallel.h"
#include "compute/sort_key.h"
#include "compute/split.h"

namespace tercet {
namespace {

Result<std::vector<int64_t>> TimesOf(const std::shared_ptr<arrow::ChunkedArray>& event_time) {
  if (event_time == nullptr) {
    return Status::Invalid(
        "cannot split by time: the rows have no event time; split at random instead");
  }
  if (event_time->null_count() > 0) {
    return Status::Invalid("cannot split by time: ", event_time->null_count(), " of ",
                           event_time->length(), " rows have no event time");
  }
  std::vector<int64_t> times;
  times.reserve(event_time->length());
  for (const auto& chunk : event_time->chunks()) {
    ARROW_ASSIGN_OR_RAISE(const auto micros, EventTimeMicros(*chunk));
    times.insert(times.end(), micros->raw_values(), micros->raw_values() + micros->length());
  }
  return times;
}

/// The part of a time: the first whose boundary is after it, else the last.
std::vector<int32_t> SplitAtBoundaries(const SplitDefinition& split,
                                       const std::vector<int64_t>& times) {
  std::vector<int64_t> ends;
  for (const auto& [name, end_us] : split.boundaries) {
    if (end_us) ends.push_back(*end_us);
  }
  std::vector<int32_t> parts(times.size());
  for (size_t i = 0; i < times.size(); ++i) {
    parts[i] =
        static_cast<int32_t>(std::upper_bound(ends.begin(), ends.end(), times[i]) - ends.begin());
  }
  return parts;
}

Result<std::vector<int32_t>> PartOfRows(const SplitDefinition& split, int64_t seed, int64_t rows,
                                        const std::shared_ptr<arrow::ChunkedArray>& event_time) {
  std::vector<double> shares;
  for (const auto& [name, share] : split.parts) shares.push_back(share);
  switch (split.method) {
    case SplitDefinition::Method::kNone:
      return std::vector<int32_t>(rows, 0);
    case SplitDefinition::Method::kRandom:
      return RandomSplit(rows, shares, static_cast<uint64_t>(seed));
    case SplitDefinition::Method::kTime:
      break;
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> times, TimesOf(event_time));
  if (!split.boundaries.empty()) return SplitAtBoundaries(split, times);
  std::vector<int64_t> boundaries_us;
  return TimeSplit(times, shares, &boundaries_us);
}

}  // namespace

Result<std::vector<std::shared_ptr<arrow::Int64Array>>> SplitRows(
    const SplitDefinition& split, int64_t seed, int64_t rows,
    const std::shared_ptr<arrow::ChunkedArray>& event_time) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int32_t> part_of,
                        PartOfRows(split, seed, rows, event_time));
  std::vector<int64_t> counts(split.PartNames().size());
  for (const int32_t part : part_of) ++counts[part];
  std::vector<arrow::Int64Builder> builders(counts.size());
  for (size_t part = 0; part < counts.size(); ++part) {
    ARROW_RETURN_NOT_OK(builders[part].Reserve(counts[part]));
  }
  for (int64_t i = 0; i < rows; ++i) builders[part_of[i]].UnsafeAppend(i);
  std::vector<std::shared_ptr<arrow::Int64Array>> indices(counts.size());
  for (size_t part = 0; part < counts.size(); ++part) {
    ARROW_RETURN_NOT_OK(builders[part].Finish(&indices[part]));
  }
  return indices;
}

Result<std::shared_ptr<arrow::Table>> TakeRows(const std::shared_ptr<arrow::Table>& table,
                                               const arrow::Int64Array& indices) {
  const int64_t count = indices.length();
  if (count == 0) return table->Slice(0, 0);
  const int64_t first = indices.Value(0);
  if (indices.Value(count - 1) - first + 1 == count) return table->Slice(first, count);
  const std::shared_ptr<arrow::Array> chosen = arrow::MakeArray(indices.data());
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns(table->num_columns());
  ARROW_RETURN_NOT_OK(ParallelFor(table->num_columns(), [&](int64_t i) -> Status {
    const auto& column = table->column(static_cast<int>(i));
    ARROW_ASSIGN_OR_RAISE(
        const auto whole, column->num_chunks() == 1 ? column->chunk(0)
                                                    : arrow::Concatenate(column->chunks()));
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(whole, chosen));
    columns[i] = std::make_shared<arrow::ChunkedArray>(taken.make_array());
    return Status::OK();
  }));
  return arrow::Table::Make(table->schema(), std::move(columns), count);
}

}  // namespace tercet
