#include <algorithm>
#include <limits>

#include "compute/calendar.h"
#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"
#include "compute/expression_zone.h"

/// Functions of timestamps and dates, in UTC unless a zone is named.
namespace tercet::expr {
namespace {

bool DaysToMicros(int64_t days, int64_t* micros) {
  return !__builtin_mul_overflow(days, kDayMicros, micros);
}

int64_t DaysOf(int64_t micros) { return FloorDiv(micros, kDayMicros); }

/// A part of the date or time of day. A date's time of day is midnight.
template <auto OfMicros>
Result<Value> BindPart(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  return binder.Emit(Map1<int64_t, int64_t, OfMicros>, kIntType, {time});
}

int64_t Year(int64_t micros) { return CivilFromDays(DaysOf(micros)).year; }
int64_t Quarter(int64_t micros) { return (CivilFromDays(DaysOf(micros)).month + 2) / 3; }
int64_t Month(int64_t micros) { return CivilFromDays(DaysOf(micros)).month; }
int64_t Day(int64_t micros) { return CivilFromDays(DaysOf(micros)).day; }
int64_t Hour(int64_t micros) { return FloorMod(micros, kDayMicros) / 3'600'000'000; }
int64_t Minute(int64_t micros) { return FloorMod(micros, 3'600'000'000) / 60'000'000; }
int64_t Second(int64_t micros) { return FloorMod(micros, 60'000'000) / 1'000'000; }
int64_t WeekDay(int64_t micros) { return DayOfWeek(DaysOf(micros)); }
int64_t YearDay(int64_t micros) {
  const int64_t days = DaysOf(micros);
  return days - DaysFromCivil(CivilFromDays(days).year, 1, 1) + 1;
}
/// ISO 8601: a week belongs to the year of its Thursday.
int64_t Week(int64_t micros) {
  const int64_t days = DaysOf(micros);
  const int64_t thursday = days - DayOfWeek(days) + 3;
  return (thursday - DaysFromCivil(CivilFromDays(thursday).year, 1, 1)) / 7 + 1;
}

Result<Value> BindIsWeekend(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  return binder.Emit(
      Map1<int64_t, Bool, [](int64_t t) { return static_cast<Bool>(WeekDay(t) >= 5); }>, kBoolType,
      {time});
}

/// From the first to the second, in units of so many microseconds.
template <int64_t kUnit>
Result<Value> BindBetween(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value from, binder.AsTimestamp(arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value to, binder.AsTimestamp(arguments[1]));
  return binder.Emit(Map2<int64_t, int64_t, double,
                          [](int64_t a, int64_t b) {
                            const __int128 difference = static_cast<__int128>(b) - a;
                            return static_cast<double>(difference) / static_cast<double>(kUnit);
                          }>,
                     kDoubleType, {from, to});
}

/// Down to a multiple of kUnit after kOrigin; null below the least time.
template <int64_t kUnit, int64_t kOrigin = 0>
bool Truncate(int64_t micros, int64_t* out) {
  int64_t shifted;
  if (__builtin_sub_overflow(micros, kOrigin, &shifted)) return false;
  return !__builtin_sub_overflow(micros, FloorMod(shifted, kUnit), out);
}

template <int64_t kMonths>
bool TruncateMonths(int64_t micros, int64_t* out) {
  const CivilDate date = CivilFromDays(DaysOf(micros));
  const int64_t month = (date.month - 1) / kMonths * kMonths + 1;
  return DaysToMicros(DaysFromCivil(date.year, month, 1), out);
}

struct Unit {
  std::string_view name;
  Kernel kernel;
  bool whole_days;
};

constexpr int64_t kMonday = 4 * kDayMicros;  // 1970-01-05

constexpr Unit kUnits[] = {
    {"second", TryMap1<int64_t, int64_t, Truncate<1'000'000>>, false},
    {"minute", TryMap1<int64_t, int64_t, Truncate<60'000'000>>, false},
    {"hour", TryMap1<int64_t, int64_t, Truncate<3'600'000'000>>, false},
    {"day", TryMap1<int64_t, int64_t, Truncate<kDayMicros>>, true},
    {"week", TryMap1<int64_t, int64_t, Truncate<7 * kDayMicros, kMonday>>, true},
    {"month", TryMap1<int64_t, int64_t, TruncateMonths<1>>, true},
    {"quarter", TryMap1<int64_t, int64_t, TruncateMonths<3>>, true},
    {"year", TryMap1<int64_t, int64_t, TruncateMonths<12>>, true},
};

Value EmitDate(Binder& binder, const Value& timestamp) {
  return binder.Emit(Map1<int64_t, int64_t, DaysOf>, kDateType, {timestamp});
}

/// Truncates what a clock in the zone shows. Days begin when that clock says so; shorter units keep
/// the instant's own offset, so that an hour that comes twice stays two hours.
Result<Value> EmitTruncatedInZone(Binder& binder, const Unit& unit, const Value& instant,
                                  const Value& zone_name) {
  if (instant.is(Kind::kDate)) return binder.Mismatch("a timestamp beside a time zone", instant);
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(instant));
  ARROW_ASSIGN_OR_RAISE(const void* zone, KnownZone(binder, zone_name));
  const Value local = EmitLocal(binder, time, zone);
  const Value begin = binder.Emit(unit.kernel, local.type, {local});
  if (unit.whole_days) {
    const Value midnight = EmitInstant(binder, begin, zone);
    return Value{time.type, midnight.id};
  }
  const Value since = binder.Emit(
      Map2<int64_t, int64_t, int64_t, [](int64_t a, int64_t b) { return a - b; }>, kIntType,
      {local, begin});
  return binder.Emit(TryMap2<int64_t, int64_t, int64_t,
                             [](int64_t t, int64_t micros, int64_t* out) {
                               return !__builtin_sub_overflow(t, micros, out);
                             }>,
                     time.type, {time, since});
}

Result<Value> BindDateTrunc(Binder& binder, const Node& node, std::span<Value> arguments) {
  const Literal* name = binder.KnownValue(arguments[0]);
  for (const Unit& unit : kUnits) {
    if (name == nullptr || name->kind != Kind::kString || name->text != unit.name) continue;
    if (arguments.size() == 3) {
      return EmitTruncatedInZone(binder, unit, arguments[1], arguments[2]);
    }
    ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[1]));
    const Value truncated = binder.Emit(unit.kernel, time.type, {time});
    return arguments[1].is(Kind::kDate) && unit.whole_days ? EmitDate(binder, truncated)
                                                           : truncated;
  }
  return binder.Error("'" + node.name +
                      "' takes 'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter' or "
                      "'year' as its first argument");
}

Result<Value> BindAddDays(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value days,
                        binder.AsKind(arguments[1], Kind::kInt, "an int64 of days"));
  if (arguments[0].is(Kind::kDate)) {
    // A date has 32 bits in Arrow.
    return binder.Emit(TryMap2<int64_t, int64_t, int64_t,
                               [](int64_t date, int64_t n, int64_t* out) {
                                 return !__builtin_add_overflow(date, n, out) &&
                                        *out >= std::numeric_limits<int32_t>::min() &&
                                        *out <= std::numeric_limits<int32_t>::max();
                               }>,
                       kDateType, {arguments[0], days});
  }
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  return binder.Emit(TryMap2<int64_t, int64_t, int64_t,
                             [](int64_t t, int64_t n, int64_t* out) {
                               int64_t micros;
                               return DaysToMicros(n, &micros) &&
                                      !__builtin_add_overflow(t, micros, out);
                             }>,
                     time.type, {time, days});
}

int64_t MonthsOf(int64_t micros) {
  const CivilDate date = CivilFromDays(DaysOf(micros));
  return date.year * 12 + date.month - 1;
}

/// How many begins of a unit lie between two times, as SQL's date_diff counts.
struct Difference {
  std::string_view unit;
  Kernel kernel;
};

template <auto Number>
constexpr Kernel kDifference = Map2<int64_t, int64_t, int64_t,
                                    [](int64_t a, int64_t b) { return Number(b) - Number(a); }>;

/// Weeks begin on Monday: 1970-01-05 began one.
constexpr Difference kDifferences[] = {
    {"second", kDifference<[](int64_t t) { return FloorDiv(t, 1'000'000); }>},
    {"minute", kDifference<[](int64_t t) { return FloorDiv(t, 60'000'000); }>},
    {"hour", kDifference<[](int64_t t) { return FloorDiv(t, 3'600'000'000); }>},
    {"day", kDifference<DaysOf>},
    {"week", kDifference<[](int64_t t) { return FloorDiv(DaysOf(t) + 3, 7); }>},
    {"month", kDifference<MonthsOf>},
    {"quarter", kDifference<[](int64_t t) { return FloorDiv(MonthsOf(t), 3); }>},
    {"year", kDifference<[](int64_t t) { return FloorDiv(MonthsOf(t), 12); }>},
};

Result<Value> BindDateDiff(Binder& binder, const Node& node, std::span<Value> arguments) {
  const Literal* name = binder.KnownValue(arguments[0]);
  for (const Difference& difference : kDifferences) {
    if (name == nullptr || name->kind != Kind::kString || name->text != difference.unit) continue;
    ARROW_ASSIGN_OR_RAISE(const Value from, binder.AsTimestamp(arguments[1]));
    ARROW_ASSIGN_OR_RAISE(const Value to, binder.AsTimestamp(arguments[2]));
    return binder.Emit(difference.kernel, kIntType, {from, to});
  }
  return binder.Error("'" + node.name +
                      "' takes 'second', 'minute', 'hour', 'day', 'week', 'month', 'quarter' or "
                      "'year' as its first argument");
}

/// The same day and time n months on, or the month's last day where it has no such day.
bool AddMonths(int64_t micros, int64_t n, int64_t* out) {
  constexpr int64_t kMost = 12 * 600'000;  // beyond what 64 bits of microseconds name
  if (n < -kMost || n > kMost) return false;
  const int64_t days = DaysOf(micros);
  const int64_t months = MonthsOf(micros) + n;
  const int64_t year = FloorDiv(months, 12), month = FloorMod(months, 12) + 1;
  const int64_t next = FloorMod(months + 1, 12) + 1;
  const int64_t last =
      DaysFromCivil(FloorDiv(months + 1, 12), next, 1) - DaysFromCivil(year, month, 1);
  const int64_t day = std::min(CivilFromDays(days).day, last);
  int64_t midnight;
  // The day of the least time begins before it.
  if (!DaysToMicros(DaysFromCivil(year, month, day), &midnight)) return false;
  return !__builtin_add_overflow(midnight, FloorMod(micros, kDayMicros), out);
}

Result<Value> BindAddMonths(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value months,
                        binder.AsKind(arguments[1], Kind::kInt, "an int64 of months"));
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  const Value moved = binder.Emit(TryMap2<int64_t, int64_t, int64_t, AddMonths>, time.type,
                                  {time, months});
  return arguments[0].is(Kind::kDate) ? EmitDate(binder, moved) : moved;
}

Result<Value> BindEpochSeconds(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  return binder.Emit(Map1<int64_t, double, [](int64_t t) { return static_cast<double>(t) / 1e6; }>,
                     kDoubleType, {time});
}

constexpr Function kFunctions[] = {
    {"year", 1, 1, BindPart<Year>},
    {"quarter", 1, 1, BindPart<Quarter>},
    {"month", 1, 1, BindPart<Month>},
    {"week", 1, 1, BindPart<Week>},
    {"day", 1, 1, BindPart<Day>},
    {"hour", 1, 1, BindPart<Hour>},
    {"minute", 1, 1, BindPart<Minute>},
    {"second", 1, 1, BindPart<Second>},
    {"day_of_week", 1, 1, BindPart<WeekDay>},
    {"day_of_year", 1, 1, BindPart<YearDay>},
    {"is_weekend", 1, 1, BindIsWeekend},
    {"seconds_between", 2, 2, BindBetween<1'000'000>},
    {"minutes_between", 2, 2, BindBetween<60'000'000>},
    {"hours_between", 2, 2, BindBetween<3'600'000'000>},
    {"days_between", 2, 2, BindBetween<kDayMicros>},
    {"date_trunc", 2, 3, BindDateTrunc},
    {"add_days", 2, 2, BindAddDays},
    {"add_months", 2, 2, BindAddMonths},
    {"date_diff", 3, 3, BindDateDiff},
    {"epoch_seconds", 1, 1, BindEpochSeconds},
};

}  // namespace

void DateToTimestamp(const Instruction& instruction, Run& run) {
  TryMap1<int64_t, int64_t, DaysToMicros>(instruction, run);
}

std::span<const Function> TimeFunctions() { return kFunctions; }

}  // namespace tercet::expr
