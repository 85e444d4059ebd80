#include "base/time_text.h"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace tercet {
namespace {

constexpr int64_t kMicrosPerSecond = 1000000;
constexpr int64_t kMicrosPerDay = 86400 * kMicrosPerSecond;

/// Reads exactly `digits` decimal digits off the front of `text`.
bool TakeDigits(std::string_view* text, int digits, int* out) {
  if (text->size() < static_cast<size_t>(digits)) return false;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  *out = value;
  return true;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

struct Unit {
  std::string_view name;
  int64_t micros;
};
// Longest first, so that "d" in "1d12h" and "min" before "m" are found by prefix.
constexpr Unit kUnits[] = {{"weeks", 7 * kMicrosPerDay},    {"week", 7 * kMicrosPerDay},
                           {"days", kMicrosPerDay},         {"day", kMicrosPerDay},
                           {"hours", 3600000000},           {"hour", 3600000000},
                           {"min", 60000000},               {"ms", 1000},
                           {"us", 1},                       {"w", 7 * kMicrosPerDay},
                           {"d", kMicrosPerDay},            {"h", 3600000000},
                           {"m", 60000000},                 {"s", kMicrosPerSecond}};

}  // namespace

std::string FormatTime(int64_t time_us) {
  using namespace std::chrono;
  int64_t days_count = time_us / kMicrosPerDay;
  int64_t in_day = time_us % kMicrosPerDay;
  if (in_day < 0) {
    in_day += kMicrosPerDay;
    --days_count;
  }
  const year_month_day date{sys_days{days{static_cast<int>(days_count)}}};
  const int64_t seconds = in_day / kMicrosPerSecond;
  const int64_t fraction = in_day % kMicrosPerSecond;
  char buffer[64];
  int size = std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d",
                           static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                           static_cast<unsigned>(date.day()), static_cast<int>(seconds / 3600),
                           static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  std::string text(buffer, size);
  if (fraction != 0) {
    size = std::snprintf(buffer, sizeof buffer, ".%06d", static_cast<int>(fraction));
    text.append(buffer, size);
  }
  return text + "Z";
}

Result<int64_t> ParseTime(std::string_view text) {
  const std::string_view whole = text;
  const auto bad = [&] {
    return Status::Invalid("'", whole, "' is not a time; write it as 2013-01-31T05:00:00Z");
  };
  int year, month, day;
  if (!TakeDigits(&text, 4, &year) || !TakeChar(&text, '-') || !TakeDigits(&text, 2, &month) ||
      !TakeChar(&text, '-') || !TakeDigits(&text, 2, &day)) {
    return bad();
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return bad();
  int64_t micros = std::chrono::sys_days{date}.time_since_epoch().count() * kMicrosPerDay;
  if (text.empty()) return micros;
  if (!TakeChar(&text, 'T') && !TakeChar(&text, ' ')) return bad();
  int hour, minute, second = 0;
  if (!TakeDigits(&text, 2, &hour) || !TakeChar(&text, ':') || !TakeDigits(&text, 2, &minute)) {
    return bad();
  }
  if (TakeChar(&text, ':') && !TakeDigits(&text, 2, &second)) return bad();
  if (hour > 23 || minute > 59 || second > 59) return bad();
  micros += (hour * 3600 + minute * 60 + second) * kMicrosPerSecond;
  if (TakeChar(&text, '.')) {
    int64_t scale = kMicrosPerSecond / 10;
    int count = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      micros += (text.front() - '0') * scale;
      scale /= 10;
      ++count;
      text.remove_prefix(1);
    }
    if (count == 0) return bad();
  }
  if (text.empty() || text == "Z") return micros;
  const bool minus = text.front() == '-';
  if (!TakeChar(&text, '+') && !TakeChar(&text, '-')) return bad();
  int offset_hours, offset_minutes = 0;
  if (!TakeDigits(&text, 2, &offset_hours)) return bad();
  TakeChar(&text, ':');
  if (!text.empty() && !TakeDigits(&text, 2, &offset_minutes)) return bad();
  if (!text.empty() || offset_hours > 23 || offset_minutes > 59) return bad();
  const int64_t offset = (offset_hours * 3600 + offset_minutes * 60) * kMicrosPerSecond;
  return minus ? micros + offset : micros - offset;
}

Result<int64_t> ParseDuration(std::string_view text) {
  const std::string_view whole = text;
  const auto bad = [&] {
    return Status::Invalid("'", whole, "' is not a duration; write it as 90s, 5min, 3h, 7d, 1d12h");
  };
  int64_t total = 0;
  if (text.empty()) return bad();
  while (!text.empty()) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || count < 0) return bad();
    text.remove_prefix(end - text.data());
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (text.substr(0, unit.name.size()) == unit.name) {
        found = &unit;
        break;
      }
    }
    if (found == nullptr) return bad();
    text.remove_prefix(found->name.size());
    int64_t part;
    if (__builtin_mul_overflow(count, found->micros, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return bad();
    }
  }
  return total;
}

std::string FormatDuration(int64_t duration_us) {
  if (duration_us <= 0) return "0s";
  std::string text;
  for (const Unit& unit : {Unit{"d", kMicrosPerDay}, Unit{"h", 3600000000}, Unit{"min", 60000000},
                           Unit{"s", kMicrosPerSecond}, Unit{"ms", 1000}, Unit{"us", 1}}) {
    if (duration_us >= unit.micros) {
      text += std::to_string(duration_us / unit.micros);
      text += unit.name;
      duration_us %= unit.micros;
    }
  }
  return text;
}

}  // namespace tercet
