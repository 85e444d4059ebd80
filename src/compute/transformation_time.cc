#include <algorithm>
#include <cmath>
#include <numbers>

#include "compute/calendar.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// date_parts and cyclical: numbers out of times, all in UTC, without fitting.
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;

bool IsTime(Kind kind) { return kind == Kind::kTimestamp || kind == Kind::kDate; }

/// The parts are the expression language's functions of the same names.
const std::vector<std::string>& PartNames() {
  static const std::vector<std::string> names = {
      "year",   "quarter", "month",  "week",        "day",
      "hour",   "minute",  "second", "day_of_week", "day_of_year"};
  return names;
}

Result<std::vector<std::string>> PartsOf(const json::object& options) {
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> parts, FindStrings(options, "parts"));
  if (parts.empty()) parts = {"year", "month", "day", "day_of_week", "hour"};
  for (size_t k = 0; k < parts.size(); ++k) {
    json::object one{{"part", parts[k]}};
    ARROW_RETURN_NOT_OK(WordOption(one, "part", PartNames()).status());
    for (size_t before = 0; before < k; ++before) {
      if (parts[before] == parts[k]) {
        return Status::Invalid("names the part '", parts[k], "' twice");
      }
    }
  }
  return parts;
}

Status CheckParts(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"parts"}));
  ARROW_RETURN_NOT_OK(PartsOf(options).status());
  if (IsTime(kind) || kind == Kind::kNull) return Status::OK();
  return Status::TypeError("takes timestamps and dates, not ", expr::KindName(kind));
}

Result<std::vector<std::string>> PartColumns(const std::string& column,
                                             const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, PartsOf(options));
  for (std::string& name : names) name = column + "_" + name;
  return names;
}

Result<std::vector<Value>> BindParts(Binder& binder, const Value& input,
                                     const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> parts, PartsOf(options));
  std::vector<Value> columns;
  for (const std::string& part : parts) {
    for (const expr::Function& function : expr::TimeFunctions()) {
      if (function.name != part) continue;
      Value argument = input;
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            function.bind(binder, expr::Node{}, {&argument, 1}));
    }
  }
  return columns;
}

/// Where in its period a time is, as a share from 0 to 1.
double ShareOfDay(int64_t micros) {
  return static_cast<double>(FloorMod(micros, kDayMicros)) / static_cast<double>(kDayMicros);
}

double ShareOfHour(int64_t micros) {
  return static_cast<double>(FloorMod(micros, 3'600'000'000)) / 3'600'000'000.0;
}

double ShareOfWeek(int64_t micros) {
  return (static_cast<double>(DayOfWeek(FloorDiv(micros, kDayMicros))) + ShareOfDay(micros)) / 7;
}

double ShareOfMonth(int64_t micros) {
  const CivilDate date = CivilFromDays(FloorDiv(micros, kDayMicros));
  const int64_t begin = DaysFromCivil(date.year, date.month, 1);
  const int64_t end = date.month == 12 ? DaysFromCivil(date.year + 1, 1, 1)
                                       : DaysFromCivil(date.year, date.month + 1, 1);
  return (static_cast<double>(date.day - 1) + ShareOfDay(micros)) /
         static_cast<double>(end - begin);
}

double ShareOfYear(int64_t micros) {
  const int64_t day = FloorDiv(micros, kDayMicros);
  const int64_t year = CivilFromDays(day).year;
  const int64_t begin = DaysFromCivil(year, 1, 1);
  return (static_cast<double>(day - begin) + ShareOfDay(micros)) /
         static_cast<double>(DaysFromCivil(year + 1, 1, 1) - begin);
}

struct Period {
  std::string_view name;
  expr::Kernel share;
};

constexpr Period kPeriods[] = {
    {"hour", expr::Map1<int64_t, double, ShareOfHour>},
    {"day", expr::Map1<int64_t, double, ShareOfDay>},
    {"week", expr::Map1<int64_t, double, ShareOfWeek>},
    {"month", expr::Map1<int64_t, double, ShareOfMonth>},
    {"year", expr::Map1<int64_t, double, ShareOfYear>},
};

/// A number's period. Invalid when there is none.
Result<double> NumberPeriod(const json::object& options) {
  const json::value* period = options.if_contains("period");
  if (period == nullptr || !period->is_number() || !(period->to_number<double>() > 0)) {
    return Status::Invalid("needs a 'period' that is a number above 0 for a column of numbers, ",
                           "as 24 for hours");
  }
  return period->to_number<double>();
}

/// The periods of a column of times: one name or a list. Invalid when there is none.
Result<std::vector<const Period*>> TimePeriods(const json::object& options) {
  std::vector<std::string> known;
  for (const Period& period : kPeriods) known.emplace_back(period.name);
  const json::value* given = options.if_contains("period");
  std::vector<std::string> names;
  if (given != nullptr && given->is_array()) {
    ARROW_ASSIGN_OR_RAISE(names, FindStrings(options, "period"));
  } else if (given != nullptr) {
    ARROW_ASSIGN_OR_RAISE(names.emplace_back(), WordOption(options, "period", known));
  }
  if (names.empty()) {
    return Status::Invalid("needs a 'period' for a column of times: 'hour', 'day', 'week', "
                           "'month', 'year', or a list of them");
  }
  std::vector<const Period*> periods;
  for (const std::string& name : names) {
    ARROW_RETURN_NOT_OK(WordOption({{"period", name}}, "period", known).status());
    for (const Period& period : kPeriods) {
      if (period.name != name) continue;
      if (std::find(periods.begin(), periods.end(), &period) != periods.end()) {
        return Status::Invalid("names the period '", name, "' twice");
      }
      periods.push_back(&period);
    }
  }
  return periods;
}

Status CheckCyclical(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"period"}));
  if (IsTime(kind)) return TimePeriods(options).status();
  if (!CheckNumeric(kind).ok()) {
    return Status::TypeError("takes times and numbers, not ", expr::KindName(kind));
  }
  if (kind == Kind::kNull && TimePeriods(options).ok()) return Status::OK();
  return NumberPeriod(options).status();
}

/// "x_sin" and "x_cos"; of times "x_day_sin" and "x_day_cos" and so on.
Result<std::vector<std::string>> CyclicalNames(const std::string& column,
                                               const json::object& options, const json::object&) {
  if (NumberPeriod(options).ok()) return std::vector<std::string>{column + "_sin", column + "_cos"};
  ARROW_ASSIGN_OR_RAISE(const auto periods, TimePeriods(options));
  std::vector<std::string> names;
  for (const Period* period : periods) {
    const std::string begin = column + "_" + std::string(period->name);
    names.push_back(begin + "_sin");
    names.push_back(begin + "_cos");
  }
  return names;
}

double SineOf(double share) { return std::sin(2 * std::numbers::pi * share); }
double CosineOf(double share) { return std::cos(2 * std::numbers::pi * share); }
double Divide(const double& period, double x) { return x / period; }

Result<std::vector<Value>> BindCyclical(Binder& binder, const Value& input,
                                        const json::object& options, const json::object&) {
  std::vector<Value> shares;
  const auto number_period = NumberPeriod(options);
  if (number_period.ok()) {
    ARROW_ASSIGN_OR_RAISE(shares.emplace_back(),
                          (expr::EmitOfNumber<double, double, Divide>(
                              binder, input, expr::kDoubleType, *number_period)));
  } else {
    ARROW_ASSIGN_OR_RAISE(const auto periods, TimePeriods(options));
    ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(input));
    for (const Period* period : periods) {
      shares.push_back(binder.Emit(period->share, expr::kDoubleType, {time}));
    }
  }
  std::vector<Value> columns;
  for (const Value& share : shares) {
    columns.push_back(
        binder.Emit(expr::Map1<double, double, SineOf>, expr::kDoubleType, {share}));
    columns.push_back(
        binder.Emit(expr::Map1<double, double, CosineOf>, expr::kDoubleType, {share}));
  }
  return columns;
}

double AngleOf(double sine, double cosine) {
  const double share = std::atan2(sine, cosine) / (2 * std::numbers::pi);
  return share < 0 ? share + 1 : share;
}

double Multiply(const double& period, double x) { return x * period; }

/// A number within one period, 0 ≤ x < period. A time's date can't be known.
Result<Value> UndoCyclical(Binder& binder, std::span<const Value> outputs,
                           const json::object& options, const json::object&) {
  const auto period = NumberPeriod(options);
  if (!period.ok()) return Status::Invalid("of times can't be undone: their date is lost");
  ARROW_ASSIGN_OR_RAISE(const Value sine, expr::EmitNumber(binder, outputs[0]));
  ARROW_ASSIGN_OR_RAISE(const Value cosine, expr::EmitNumber(binder, outputs[1]));
  const Value share = binder.Emit(expr::Map2<double, double, double, AngleOf>, expr::kDoubleType,
                                  {sine, cosine});
  return expr::EmitOfNumber<double, double, Multiply>(binder, share, expr::kDoubleType, *period);
}

Kind IntAnswer(const json::object&, Kind, size_t) { return Kind::kInt; }

constexpr TransformationKind kKinds[] = {
    {.name = "date_parts",
     .check = CheckParts,
     .bind = BindParts,
     .outputs = PartColumns,
     .answer = IntAnswer},
    {.name = "cyclical",
     .check = CheckCyclical,
     .bind = BindCyclical,
     .inverse = UndoCyclical,
     .outputs = CyclicalNames},
};

}  // namespace

std::span<const TransformationKind> TimeKinds() { return kKinds; }

}  // namespace tercet
