#pragma once

#include <cstdint>

namespace tercet {

inline constexpr int64_t kDayMicros = 86'400'000'000;

/// The proleptic Gregorian calendar in UTC, on days since 1970-01-01; exact for every day that
/// 64 bits of microseconds can name. The algorithm is Howard Hinnant's
/// (chrono-Compatible Low-Level Date Algorithms, 2013).
struct CivilDate {
  int64_t year;
  int64_t month;  ///< 1…12
  int64_t day;    ///< 1…31
};

constexpr int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr int64_t FloorMod(int64_t a, int64_t b) { return a - FloorDiv(a, b) * b; }

constexpr CivilDate CivilFromDays(int64_t days) {
  const int64_t shifted = days + 719'468;  // since 0000-03-01
  const int64_t era = FloorDiv(shifted, 146'097);
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);  // from 1 March
  const int64_t month = (5 * day_of_year + 2) / 153;                           // 0 = March
  const int64_t civil_month = month < 10 ? month + 3 : month - 9;
  return {year_of_era + era * 400 + (civil_month <= 2 ? 1 : 0), civil_month,
          day_of_year - (153 * month + 2) / 5 + 1};
}

constexpr int64_t DaysFromCivil(int64_t year, int64_t month, int64_t day) {
  const int64_t shifted = year - (month <= 2 ? 1 : 0);
  const int64_t era = FloorDiv(shifted, 400);
  const int64_t year_of_era = shifted - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

/// 0 = Monday … 6 = Sunday.
constexpr int64_t DayOfWeek(int64_t days) { return FloorMod(days + 3, 7); }

}  // namespace tercet
