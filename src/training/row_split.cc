#include "training/row_split.h"

#include <algorithm>
#include <limits>

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

/// A number for each row, equal for equal values; null is a value of its own.
Result<std::vector<int64_t>> NumbersOf(const SplitDefinition& split,
                                       const std::shared_ptr<arrow::ChunkedArray>& column) {
  if (column == nullptr) {
    return Status::KeyError("cannot split by column '", split.column, "': the view has none");
  }
  ARROW_ASSIGN_OR_RAISE(const auto whole, column->num_chunks() == 1
                                              ? column->chunk(0)
                                              : arrow::Concatenate(column->chunks()));
  auto encoded = arrow::compute::DictionaryEncode(whole);
  if (!encoded.ok()) return Explain(encoded.status(), "split by column '" + split.column + "'");
  const std::shared_ptr<arrow::Array> array = encoded->make_array();
  const auto& codes = static_cast<const arrow::Int32Array&>(
      *static_cast<const arrow::DictionaryArray&>(*array).indices());
  std::vector<int64_t> numbers;
  numbers.reserve(static_cast<size_t>(codes.length()));
  for (int64_t i = 0; i < codes.length(); ++i) {
    numbers.push_back(codes.IsNull(i) ? -1 : codes.Value(i));
  }
  return numbers;
}

Result<std::vector<int32_t>> PartOfRows(const SplitDefinition& split, int64_t seed, int64_t rows,
                                        const SplitColumns& columns) {
  using Method = SplitDefinition::Method;
  std::vector<double> shares;
  for (const auto& [name, share] : split.parts) shares.push_back(share);
  if (split.has_folds()) {
    if (rows < split.folds) {
      return Status::Invalid("cannot split ", rows, " rows into ", split.folds, " folds");
    }
    shares.assign(static_cast<size_t>(split.folds), 1 / static_cast<double>(split.folds));
  }
  const auto random = static_cast<uint64_t>(seed);
  if (split.method == Method::kNone) return std::vector<int32_t>(rows, 0);
  if (split.method == Method::kRandom || (split.method == Method::kKFold && split.by.empty())) {
    return RandomSplit(rows, shares, random);
  }
  if (!split.column.empty()) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> numbers, NumbersOf(split, columns.column));
    const bool stratified = split.method == Method::kStratified || split.by == "stratified";
    return stratified ? StratifiedSplit(numbers, shares, random)
                      : GroupSplit(numbers, shares, random);
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> times, TimesOf(columns.event_time));
  if (!split.boundaries.empty()) return SplitAtBoundaries(split, times);
  std::vector<int64_t> boundaries_us;
  return TimeSplit(times, shares, &boundaries_us);
}

/// a + b, held at the ends of time.
int64_t Later(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

/// Which rows may not train the model of a purged split's fold, besides its own: those whose label
/// interval [t, t + horizon] meets that of the fold's rows, and those up to an embargo after it.
Result<std::vector<bool>> PurgedRows(const SplitDefinition& split,
                                     const std::vector<int32_t>& part_of, int64_t fold,
                                     const std::shared_ptr<arrow::ChunkedArray>& event_time) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> times, TimesOf(event_time));
  std::vector<bool> purged(times.size(), false);
  bool any = false;
  int64_t first = std::numeric_limits<int64_t>::max();
  int64_t last = std::numeric_limits<int64_t>::min();
  for (size_t i = 0; i < times.size(); ++i) {
    if (part_of[i] != fold) continue;
    any = true;
    first = std::min(first, times[i]);
    last = std::max(last, times[i]);
  }
  if (!any) return purged;
  const int64_t end = Later(Later(last, split.horizon_us), split.embargo_us);
  const bool gap = split.horizon_us > 0 || split.embargo_us > 0;
  for (size_t i = 0; gap && i < times.size(); ++i) {
    purged[i] = Later(times[i], split.horizon_us) >= first && times[i] <= end;
  }
  return purged;
}

template <typename Belongs>
Result<RowIndices> RowsWhere(int64_t rows, const Belongs& belongs) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < rows; ++i) {
    if (belongs(static_cast<size_t>(i))) {
      ARROW_RETURN_NOT_OK(builder.Append(i));
    }
  }
  RowIndices indices;
  ARROW_RETURN_NOT_OK(builder.Finish(&indices));
  return indices;
}

/// Why a split may leave a part without rows.
std::string WhyEmpty(const SplitDefinition& split) {
  using Method = SplitDefinition::Method;
  if (split.method == Method::kStratified || split.by == "stratified") {
    return "each value of '" + split.column + "' has too few rows to be divided; stratify by a "
           "column of fewer different values, or split at random";
  }
  if (split.method == Method::kGroup || split.by == "group") {
    return "'" + split.column + "' has too few different values, and rows of one stay together";
  }
  const bool by_time = split.method == Method::kTime || split.method == Method::kPurged;
  return std::string("there are too few rows") +
         (by_time ? ", or too many of one event time, which stay together" : "");
}

}  // namespace

Status CheckParts(const SplitDefinition& split, int64_t rows,
                  const std::vector<RowIndices>& parts) {
  if (rows == 0 || !split.boundaries.empty()) return Status::OK();
  const std::vector<std::string> names = split.PartNames();
  for (size_t i = 0; i < names.size(); ++i) {
    if (parts[i]->length() > 0) continue;
    return Status::Invalid("split: part '", names[i], "' would have none of the ", rows,
                           " rows: ", WhyEmpty(split));
  }
  return Status::OK();
}

Result<std::vector<RowIndices>> SplitRows(const SplitDefinition& split, int64_t seed, int64_t rows,
                                          const SplitColumns& columns) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int32_t> part_of,
                        PartOfRows(split, seed, rows, columns));
  std::vector<int64_t> counts(split.PartNames().size());
  for (const int32_t part : part_of) ++counts[part];
  std::vector<arrow::Int64Builder> builders(counts.size());
  for (size_t part = 0; part < counts.size(); ++part) {
    ARROW_RETURN_NOT_OK(builders[part].Reserve(counts[part]));
  }
  for (int64_t i = 0; i < rows; ++i) builders[part_of[i]].UnsafeAppend(i);
  std::vector<RowIndices> indices(counts.size());
  for (size_t part = 0; part < counts.size(); ++part) {
    ARROW_RETURN_NOT_OK(builders[part].Finish(&indices[part]));
  }
  return indices;
}

Result<FoldRows> RowsOfFold(const SplitDefinition& split, int64_t seed, int64_t rows,
                            const SplitColumns& columns, int64_t fold) {
  if (!split.has_folds()) {
    return Status::Invalid("the dataset was not split into folds; split it by tc.split.k_fold or "
                           "tc.split.purged");
  }
  if (fold < 0 || fold >= split.folds) {
    return Status::Invalid("there is no fold ", fold, "; the dataset has folds 0 to ",
                           split.folds - 1);
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<int32_t> part_of,
                        PartOfRows(split, seed, rows, columns));
  std::vector<bool> purged(static_cast<size_t>(rows), false);
  if (split.method == SplitDefinition::Method::kPurged) {
    ARROW_ASSIGN_OR_RAISE(purged, PurgedRows(split, part_of, fold, columns.event_time));
  }
  FoldRows found;
  ARROW_ASSIGN_OR_RAISE(found.test, RowsWhere(rows, [&](size_t i) { return part_of[i] == fold; }));
  ARROW_ASSIGN_OR_RAISE(found.train, RowsWhere(rows, [&](size_t i) {
    return part_of[i] != fold && !purged[i];
  }));
  return found;
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
