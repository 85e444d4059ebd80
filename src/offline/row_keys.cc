#include "offline/row_keys.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace tercet {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;

void AppendTime(int64_t time_us, std::string* bytes) {
  const uint64_t ordered = static_cast<uint64_t>(time_us) ^ kSignBit;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes->push_back(static_cast<char>(ordered >> shift));
}

struct Entry {
  uint64_t rank;
  uint32_t row;
};

/// Least-significant-digit radix sort by rank: stable, and only over the bits in use.
void RadixSort(std::vector<Entry>* entries, int bits) {
  constexpr int kDigitBits = 11;
  constexpr size_t kBuckets = size_t{1} << kDigitBits;
  std::vector<Entry> scratch(entries->size());
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    std::vector<uint32_t> starts(kBuckets + 1, 0);
    for (const Entry& entry : *entries) ++starts[((entry.rank >> shift) & (kBuckets - 1)) + 1];
    if (std::any_of(starts.begin(), starts.end(),
                    [&](uint32_t count) { return count == entries->size(); })) {
      continue;  // all rows share this digit
    }
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    for (const Entry& entry : *entries) {
      scratch[starts[(entry.rank >> shift) & (kBuckets - 1)]++] = entry;
    }
    entries->swap(scratch);
  }
}

/// Key and time of fixed keys as one number, when their ranges are small enough for that. Rows that
/// came in order of time need no more than a stable sort by key.
bool RankByNumber(const RowKeys& rows, std::vector<Entry>* entries, int* bits) {
  if (!rows.keys().fixed()) return false;
  const int64_t n = rows.size();
  const uint64_t* keys = rows.keys().fixed_values();
  const auto [key_min, key_max] = std::minmax_element(keys, keys + n);
  uint64_t time_min = 0, time_range = 0;
  const bool by_time = rows.times() != nullptr && !std::is_sorted(rows.times(), rows.times() + n);
  if (by_time) {
    const auto [first, last] = std::minmax_element(rows.times(), rows.times() + n);
    time_min = static_cast<uint64_t>(*first);
    time_range = static_cast<uint64_t>(*last) - time_min;
  }
  const int time_bits = std::bit_width(time_range);
  *bits = std::bit_width(*key_max - *key_min) + time_bits;
  if (*bits > 64) return false;
  const uint64_t base = *key_min;
  entries->resize(n);
  for (int64_t i = 0; i < n; ++i) {
    // A shift by 64 can't happen: then the key range has no bits.
    uint64_t rank = time_bits == 64 ? 0 : (keys[i] - base) << time_bits;
    if (by_time) rank |= static_cast<uint64_t>(rows.time(i)) - time_min;
    (*entries)[i] = {rank, static_cast<uint32_t>(i)};
  }
  return true;
}

/// The first eight bytes of a key, in its order; a fixed key whole.
uint64_t Prefix(const SortKeys& keys, int64_t i) {
  if (keys.fixed()) return keys.fixed_value(i);
  const std::string_view bytes = keys.bytes(i);
  uint64_t prefix = 0;
  std::memcpy(&prefix, bytes.data(), std::min<size_t>(8, bytes.size()));
  return __builtin_bswap64(prefix);
}

}  // namespace

Result<RowKeys> RowKeys::Of(const arrow::RecordBatch& batch, const TableOptions& options) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const std::string& name : options.primary_key) {
    auto column = batch.GetColumnByName(name);
    if (column == nullptr) return Status::Invalid("key column '", name, "' is missing");
    if (column->null_count() > 0) {
      return Status::Invalid("primary key column '", name, "' has ", column->null_count(),
                             " nulls; a key must have a value in every row");
    }
    columns.push_back(std::move(column));
  }
  RowKeys rows;
  ARROW_ASSIGN_OR_RAISE(rows.keys_, SortKeys::Encode(columns));
  if (!options.event_time.empty()) {
    const auto column = batch.GetColumnByName(options.event_time);
    if (column == nullptr) {
      return Status::Invalid("event time column '", options.event_time, "' is missing");
    }
    if (column->null_count() > 0) {
      return Status::Invalid("event time column '", options.event_time, "' has ",
                             column->null_count(), " nulls; every row must have an event time");
    }
    ARROW_ASSIGN_OR_RAISE(const auto times, EventTimeMicros(*column));
    rows.times_ = times->raw_values();
    rows.time_array_ = times;
  }
  return rows;
}

std::string RowKeys::Position(int64_t i) const {
  std::string bytes = keys_.ToBytes(i);
  if (times_ != nullptr) AppendTime(times_[i], &bytes);
  return bytes;
}

int64_t RowKeys::LowerBound(std::string_view position) const {
  int64_t low = 0, high = size();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (Position(middle) < position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

int64_t RowKeys::Seek(int64_t begin, const RowKeys& other, int64_t j, bool or_equal) const {
  auto before = [&](int64_t i) {
    const int order = Compare(i, other, j);
    return or_equal ? order < 0 : order <= 0;
  };
  // Gallop: what is sought is usually near.
  int64_t step = 1, low = begin, high = begin;
  while (high < size() && before(high)) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = std::min(high, size());
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (before(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

RowOrder SortRows(const RowKeys& rows) {
  RowOrder result;
  const int64_t n = rows.size();
  bool sorted = true;
  for (int64_t i = 1; i < n; ++i) {
    const int order = rows.Compare(i - 1, rows, i);
    if (order > 0) {
      sorted = false;
      break;
    }
    if (order == 0) {
      result.unique = false;
      result.duplicate = i;
    }
  }
  if (sorted) return result;

  result.unique = true;
  result.duplicate = -1;
  std::vector<Entry> entries;
  int bits = 0;
  if (RankByNumber(rows, &entries, &bits)) {
    RadixSort(&entries, bits);
  } else {
    entries.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      entries[i] = {Prefix(rows.keys(), i), static_cast<uint32_t>(i)};
    }
    std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
      if (a.rank != b.rank) return a.rank < b.rank;
      const int order = rows.Compare(a.row, rows, b.row);
      return order != 0 ? order < 0 : a.row < b.row;
    });
  }
  result.order.resize(n);
  for (int64_t i = 0; i < n; ++i) result.order[i] = entries[i].row;
  for (int64_t i = 1; i < n; ++i) {
    if (rows.Compare(result.order[i - 1], rows, result.order[i]) == 0) {
      result.unique = false;
      result.duplicate = result.order[i];
      break;
    }
  }
  return result;
}

}  // namespace tercet
