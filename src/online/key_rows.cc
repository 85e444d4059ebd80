#include "online/key_rows.h"

#include <algorithm>
#include <cstring>

#include "compute/visibility.h"

namespace tercet {
namespace {

constexpr char kFormat = 1;
constexpr size_t kHeaderBytes = 1 + 8;
constexpr size_t kRowHeaderBytes = 8 + 8 + 4 + 4;

template <typename T>
T Get(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Reads the rows of a value one by one.
class RowCursor {
 public:
  explicit RowCursor(std::string_view value) : rest_(value) {
    intact_ = value.size() >= kHeaderBytes && value[0] == kFormat;
    if (!intact_) return;
    floor_us_ = Get<int64_t>(value.data() + 1);
    rest_.remove_prefix(kHeaderBytes);
  }

  bool intact() const { return intact_; }
  int64_t floor_us() const { return floor_us_; }

  /// False at the end, or when the bytes are not a value (then not intact).
  bool Next(KeyRow* row) {
    if (!intact_ || rest_.empty()) return false;
    intact_ = rest_.size() >= kRowHeaderBytes;
    if (!intact_) return false;
    const char* at = rest_.data();
    const uint32_t size = Get<uint32_t>(at + 20);
    intact_ = rest_.size() - kRowHeaderBytes >= size;
    if (!intact_) return false;
    *row = {.event_time_us = Get<int64_t>(at),
            .commit = Get<int64_t>(at + 8),
            .fingerprint = Get<uint32_t>(at + 16),
            .bytes = rest_.substr(kRowHeaderBytes, size)};
    rest_.remove_prefix(kRowHeaderBytes + size);
    return true;
  }

 private:
  std::string_view rest_;
  int64_t floor_us_ = kNoEventTime;
  bool intact_ = false;
};

}  // namespace

KeyLookup FindAsOf(std::string_view value, int64_t time_us) {
  KeyLookup lookup;
  RowCursor cursor(value);
  while (cursor.Next(&lookup.row)) {
    if (NotLater(lookup.row.event_time_us, time_us)) {
      lookup.answer = KeyLookup::kFound;
      return lookup;
    }
    lookup.next_us = lookup.row.event_time_us;
  }
  if (!cursor.intact()) return lookup;
  lookup.answer = cursor.floor_us() == kNoEventTime ? KeyLookup::kNoRow : KeyLookup::kLetGo;
  return lookup;
}

Result<KeyRows> KeyRows::Parse(std::string_view value) {
  KeyRows rows;
  RowCursor cursor(value);
  KeyRow row;
  while (cursor.Next(&row)) rows.rows_.push_back(row);
  rows.floor_us_ = cursor.floor_us();
  bool ordered = true;
  for (size_t i = 1; i < rows.rows_.size(); ++i) {
    ordered &= rows.rows_[i - 1].event_time_us > rows.rows_[i].event_time_us;
  }
  if (!cursor.intact() || !ordered) {
    return Status::IOError("online store: the rows of a key are corrupt (", value.size(),
                           " bytes); remove the online store's folder to have it rebuilt from the "
                           "offline tables");
  }
  return rows;
}

void KeyRows::Upsert(const KeyRow& row) {
  if (floor_us_ != kNoEventTime && row.event_time_us < floor_us_) return;
  const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const KeyRow& kept) {
    return kept.event_time_us <= row.event_time_us;
  });
  if (at == rows_.end() || at->event_time_us != row.event_time_us) {
    rows_.insert(at, row);
  } else if (at->commit <= row.commit) {
    *at = row;
  }
}

void KeyRows::Remove(int64_t event_time_us, int64_t commit) {
  std::erase_if(rows_, [&](const KeyRow& row) {
    return row.event_time_us == event_time_us && row.commit < commit;
  });
}

void KeyRows::Trim(int kept, int64_t now_us) {
  size_t present = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!NotLater(rows_[i].event_time_us, now_us)) continue;
    if (++present <= static_cast<size_t>(kept)) continue;
    floor_us_ = rows_[i - 1].event_time_us;
    rows_.resize(i);
    return;
  }
}

bool KeyRows::NeedsRefill(int64_t now_us) const {
  return floor_us_ != kNoEventTime &&
         (rows_.empty() || !NotLater(rows_.back().event_time_us, now_us));
}

void KeyRows::AppendTo(std::string* out) const {
  out->push_back(kFormat);
  Append(floor_us_, out);
  for (const KeyRow& row : rows_) {
    Append(row.event_time_us, out);
    Append(row.commit, out);
    Append(row.fingerprint, out);
    Append(static_cast<uint32_t>(row.bytes.size()), out);
    out->append(row.bytes);
  }
}

}  // namespace tercet
