#include "compute/asof_left.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "base/hash.h"
#include "compute/radix_order.h"

namespace tercet {
namespace {

/// The first fixed key that is not below `key`; nullopt when all are.
std::optional<uint64_t> FixedBound(std::string_view key) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) {
    value = value << 8 | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
  }
  if (key.size() <= 8) return value;
  // A longer text sorts after its own first eight bytes.
  if (value == std::numeric_limits<uint64_t>::max()) return std::nullopt;
  return value + 1;
}

/// The distinct keys among rows in any order: each row's number in order of first appearance.
class KeyNumbers {
 public:
  KeyNumbers(const SortKeys& keys, size_t rows) : keys_(keys) {
    slots_.resize(std::bit_ceil(std::max<size_t>(64, std::min<size_t>(rows, 1 << 16) * 2)));
  }

  uint32_t Number(uint32_t row) {
    const std::string_view key = keys_.bytes(row);
    const uint64_t hash = Hash64(key);
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].number_plus_one != 0) {
      const Slot& slot = slots_[at];
      if (slot.hash == hash && keys_.bytes(first_rows_[slot.number_plus_one - 1]) == key) {
        return slot.number_plus_one - 1;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    first_rows_.push_back(row);
    slots_[at] = {hash, static_cast<uint32_t>(first_rows_.size())};
    if (first_rows_.size() * 2 > slots_.size()) Grow();
    return static_cast<uint32_t>(first_rows_.size() - 1);
  }

  /// A row of each distinct key, by number.
  const std::vector<uint32_t>& first_rows() const { return first_rows_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t number_plus_one = 0;  ///< 0: empty
  };

  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number_plus_one == 0) continue;
      size_t at = slot.hash & (slots_.size() - 1);
      while (slots_[at].number_plus_one != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  const SortKeys& keys_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> first_rows_;
};

constexpr uint64_t kSignBit = uint64_t{1} << 63;

/// A column of the types that SortKeys makes fixed by a flip of the sign of 64 bits; nothing null.
bool IsSigned64(const arrow::Array& keys) {
  switch (keys.type_id()) {
    case arrow::Type::INT64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DATE64:
    case arrow::Type::TIME64:
    case arrow::Type::DURATION:
      return keys.null_count() == 0;
    default:
      return false;
  }
}

/// Whether rows are sorted by (key, time) with nothing null.
bool IsSorted(const SortKeys& keys, const int64_t* times) {
  if (!keys.all_valid()) return false;
  const int64_t n = keys.size();
  for (int64_t i = 1; i < n; ++i) {
    const int order = keys.Compare(i - 1, keys, i);
    if (order > 0 || (order == 0 && times != nullptr && times[i - 1] > times[i])) return false;
  }
  return true;
}

}  // namespace

Status AsOfLeft::Start(int64_t rows, std::shared_ptr<arrow::Int64Array> times_us) {
  if (rows >= std::numeric_limits<uint32_t>::max()) {
    return Status::CapacityError("a join of ", rows, " left rows; the limit is ",
                                 std::numeric_limits<uint32_t>::max() - 1);
  }
  if (times_us != nullptr && times_us->length() != rows) {
    return Status::Invalid("a join of ", rows, " left keys has ", times_us->length(),
                           " left times");
  }
  row_times_ = std::move(times_us);
  return Status::OK();
}

Result<AsOfLeft> AsOfLeft::Make(SortKeys keys, std::shared_ptr<arrow::Int64Array> times_us) {
  AsOfLeft left;
  ARROW_RETURN_NOT_OK(left.Start(keys.size(), std::move(times_us)));
  left.keys_ = std::make_unique<SortKeys>(std::move(keys));
  const bool times_valid = left.row_times_ == nullptr || left.row_times_->null_count() == 0;
  const int64_t* times = left.row_times_ == nullptr ? nullptr : left.row_times_->raw_values();
  if (times_valid && IsSorted(*left.keys_, times)) {
    left.OrderAsIs();
  } else {
    left.Order();
  }
  return left;
}

Result<AsOfLeft> AsOfLeft::Make(const std::vector<std::shared_ptr<arrow::Array>>& keys,
                                std::shared_ptr<arrow::Int64Array> times_us) {
  const bool times_valid = times_us == nullptr || times_us->null_count() == 0;
  if (keys.size() != 1 || !IsSigned64(*keys[0]) || !times_valid) {
    ARROW_ASSIGN_OR_RAISE(SortKeys encoded, SortKeys::Encode(keys));
    return Make(std::move(encoded), std::move(times_us));
  }
  AsOfLeft left;
  ARROW_RETURN_NOT_OK(left.Start(keys[0]->length(), std::move(times_us)));
  left.integers_ = keys[0];
  left.size_ = keys[0]->length();
  const auto* integers = keys[0]->data()->GetValues<int64_t>(1);
  const int64_t* times = left.row_times_ == nullptr ? nullptr : left.row_times_->raw_values();
  left.in_order_ = true;
  for (int64_t i = 1; i < left.size_ && left.in_order_; ++i) {
    left.in_order_ =
        integers[i - 1] < integers[i] ||
        (integers[i - 1] == integers[i] && (times == nullptr || times[i - 1] <= times[i]));
  }
  const auto* codes = reinterpret_cast<const uint64_t*>(integers);
  if (left.in_order_) {
    left.codes_ = codes;
    left.flip_ = kSignBit;
    left.times_us_ = times;
    return left;
  }
  left.ordered_ = RadixOrder(codes, kSignBit, times, static_cast<size_t>(left.size_));
  left.integers_ = nullptr;
  left.codes_ = left.ordered_.codes.get();
  left.times_us_ = left.ordered_.times_us();
  return left;
}

void AsOfLeft::OrderAsIs() {
  size_ = keys_->size();
  in_order_ = true;
  times_us_ = row_times_ == nullptr ? nullptr : row_times_->raw_values();
  if (keys_->fixed()) {
    codes_ = keys_->fixed_values();
    return;
  }
  own_codes_.resize(static_cast<size_t>(size_));
  for (int64_t i = 0; i < size_; ++i) {
    if (i == 0 || keys_->Compare(i - 1, *keys_, i) != 0) {
      distinct_.push_back(static_cast<uint32_t>(i));
    }
    own_codes_[static_cast<size_t>(i)] = 2 * (distinct_.size() - 1) + 1;
  }
  codes_ = own_codes_.data();
}

std::vector<uint64_t> AsOfLeft::CodesOfRows(const std::vector<uint32_t>& rows) {
  std::vector<uint64_t> codes(rows.size());
  if (keys_->fixed()) {
    for (size_t k = 0; k < rows.size(); ++k) codes[k] = keys_->fixed_value(rows[k]);
    return codes;
  }
  KeyNumbers numbers(*keys_, rows.size());
  for (size_t k = 0; k < rows.size(); ++k) codes[k] = numbers.Number(rows[k]);
  const std::vector<uint32_t>& first_rows = numbers.first_rows();
  std::vector<uint32_t> by_key(first_rows.size());
  for (size_t k = 0; k < by_key.size(); ++k) by_key[k] = static_cast<uint32_t>(k);
  std::sort(by_key.begin(), by_key.end(), [&](uint32_t a, uint32_t b) {
    return keys_->bytes(first_rows[a]) < keys_->bytes(first_rows[b]);
  });
  std::vector<uint64_t> code_of_number(by_key.size());
  distinct_.resize(by_key.size());
  for (size_t rank = 0; rank < by_key.size(); ++rank) {
    code_of_number[by_key[rank]] = 2 * rank + 1;
    distinct_[rank] = first_rows[by_key[rank]];
  }
  for (uint64_t& code : codes) code = code_of_number[code];
  return codes;
}

void AsOfLeft::Order() {
  const int64_t n = keys_->size();
  const bool times_valid = row_times_ == nullptr || row_times_->null_count() == 0;
  const int64_t* times = row_times_ == nullptr ? nullptr : row_times_->raw_values();
  if (keys_->fixed() && keys_->all_valid() && times_valid) {
    size_ = n;
    ordered_ = RadixOrder(keys_->fixed_values(), 0, times, static_cast<size_t>(n));
  } else {
    std::vector<uint32_t> rows;
    rows.reserve(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      if (keys_->valid(i) && (times_valid || row_times_->IsValid(i))) {
        rows.push_back(static_cast<uint32_t>(i));
      }
    }
    size_ = static_cast<int64_t>(rows.size());
    const std::vector<uint64_t> codes = CodesOfRows(rows);
    std::vector<int64_t> own_times(times == nullptr ? 0 : rows.size());
    for (size_t k = 0; k < own_times.size(); ++k) own_times[k] = times[rows[k]];
    ordered_ =
        RadixOrder(codes.data(), 0, times == nullptr ? nullptr : own_times.data(), rows.size());
    for (size_t k = 0; k < rows.size(); ++k) ordered_.rows[k] = rows[ordered_.rows[k]];
  }
  codes_ = ordered_.codes.get();
  times_us_ = ordered_.times_us();
}

int64_t AsOfLeft::LowerBound(std::string_view key) const {
  uint64_t code = 0;
  if (fixed()) {
    const auto bound = FixedBound(key);
    if (!bound) return size_;
    code = *bound;
  } else {
    const auto rank = std::partition_point(distinct_.begin(), distinct_.end(),
                                           [&](uint32_t row) { return keys_->bytes(row) < key; });
    code = 2 * static_cast<uint64_t>(rank - distinct_.begin()) + 1;
  }
  // The first position whose code is not below.
  int64_t low = 0, high = size_;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (codes()[middle] < code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::string AsOfLeft::KeyAt(int64_t position) const {
  if (!fixed()) {
    return keys_->ToBytes(in_order_ ? position : ordered_.rows[static_cast<size_t>(position)]);
  }
  uint64_t code = codes()[position];
  std::string bytes(8, '\0');
  for (size_t i = 8; i-- > 0; code >>= 8) bytes[i] = static_cast<char>(code & 0xFF);
  return bytes;
}

}  // namespace tercet
