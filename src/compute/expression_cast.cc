#include <charconv>
#include <cmath>
#include <limits>

#include "base/time_text.h"
#include "compute/calendar.h"
#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// cast(x as TYPE) and TYPE(x). A value that the type has no place for is null, never an error.
namespace tercet::expr {
namespace {

using Text = std::string_view;

Text Stripped(Text text) {
  constexpr Text kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == Text::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

template <typename T>
bool ParseNumber(Text text, T* out) {
  text = Stripped(text);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error == std::errc() && end == text.data() + text.size()) return true;
  *out = T{};
  return false;
}

bool ParseBool(Text text, Bool* out) {
  text = Stripped(text);
  const auto is = [&](Text word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  *out = is("true") || is("1");
  return *out || is("false") || is("0");
}

bool ParseMicros(Text text, int64_t* out) {
  auto micros = ParseTime(Stripped(text));
  if (!micros.ok()) return false;
  *out = *micros;
  return true;
}

/// Toward zero.
bool ToInt(double value, int64_t* out) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return false;
  *out = static_cast<int64_t>(value);
  return true;
}

Text IntText(Arena& arena, int64_t value) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  return arena.Copy({digits, static_cast<size_t>(end - digits)});
}

/// The shortest text that reads back as the same double; whole numbers end in ".0".
Text DoubleText(Arena& arena, double value) {
  char digits[40];
  if (std::isnan(value)) return "nan";
  char* end = std::to_chars(digits, digits + 32, value).ptr;
  if (std::isfinite(value) &&
      Text(digits, static_cast<size_t>(end - digits)).find_first_of(".e") == Text::npos) {
    *end++ = '.';
    *end++ = '0';
  }
  return arena.Copy({digits, static_cast<size_t>(end - digits)});
}

Text BoolText(Arena&, Bool value) { return value ? "true" : "false"; }

Text ZonedText(Arena& arena, int64_t micros) { return arena.Copy(FormatTime(micros)); }

/// A time without a zone is written without one.
Text PlainTimeText(Arena& arena, int64_t micros) {
  const std::string text = FormatTime(micros);
  return arena.Copy(Text(text).substr(0, text.ends_with('Z') ? text.size() - 1 : text.size()));
}

Text DateText(Arena& arena, int64_t days) {
  int64_t micros;
  if (__builtin_mul_overflow(days, kDayMicros, &micros)) return {};
  const std::string text = FormatTime(micros);
  return arena.Copy(Text(text).substr(0, text.find('T')));
}

template <typename A, typename O, auto F>
Result<Value> Try(Binder& binder, const ValueType& type, const Value& from) {
  return binder.Emit(TryMap1<A, O, F>, type, {from});
}

Result<Value> BindDouble(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value& from = arguments[0];
  switch (from.type.kind) {
    case Kind::kBool:
      return binder.Emit(Map1<Bool, double, [](Bool a) { return static_cast<double>(a); }>,
                         kDoubleType, {from});
    case Kind::kString:
      return Try<Text, double, ParseNumber<double>>(binder, kDoubleType, from);
    case Kind::kNull:
    case Kind::kInt:
    case Kind::kDouble:
      return binder.AsDouble(from);
    default:
      return binder.Mismatch("a number, bool or string", from);
  }
}

Result<Value> BindInt(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value& from = arguments[0];
  switch (from.type.kind) {
    case Kind::kBool:
      return binder.Emit(Map1<Bool, int64_t, [](Bool a) { return static_cast<int64_t>(a); }>,
                         kIntType, {from});
    case Kind::kDouble:
      return Try<double, int64_t, ToInt>(binder, kIntType, from);
    case Kind::kString:
      return Try<Text, int64_t, ParseNumber<int64_t>>(binder, kIntType, from);
    case Kind::kNull:
    case Kind::kInt:
      return binder.As(from, kIntType);
    default:
      return binder.Mismatch("a number, bool or string", from);
  }
}

Result<Value> BindBool(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value& from = arguments[0];
  switch (from.type.kind) {
    case Kind::kInt:
      return binder.Emit(Map1<int64_t, Bool, [](int64_t a) { return static_cast<Bool>(a != 0); }>,
                         kBoolType, {from});
    case Kind::kDouble:
      return Try<double, Bool, [](double a, Bool* out) {
        *out = a != 0;
        return !std::isnan(a);
      }>(binder, kBoolType, from);
    case Kind::kString:
      return Try<Text, Bool, ParseBool>(binder, kBoolType, from);
    case Kind::kNull:
    case Kind::kBool:
      return binder.As(from, kBoolType);
    default:
      return binder.Mismatch("a number, bool or string", from);
  }
}

Result<Value> BindString(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value& from = arguments[0];
  switch (from.type.kind) {
    case Kind::kBool:
      return binder.Emit(MapText1<Bool, BoolText>, kStringType, {from});
    case Kind::kInt:
      return binder.Emit(MapText1<int64_t, IntText>, kStringType, {from});
    case Kind::kDouble:
      return binder.Emit(MapText1<double, DoubleText>, kStringType, {from});
    case Kind::kTimestamp:
      return binder.Emit(
          from.type.zone.empty() ? MapText1<int64_t, PlainTimeText> : MapText1<int64_t, ZonedText>,
          kStringType, {from});
    case Kind::kDate:
      return binder.Emit(MapText1<int64_t, DateText>, kStringType, {from});
    case Kind::kNull:
    case Kind::kString:
      return binder.As(from, kStringType);
    default:
      return binder.Mismatch("values", from);
  }
}

Result<Value> BindTimestamp(Binder& binder, const Node&, std::span<Value> arguments) {
  // A known text must be a time, so that a slip is found at once.
  if (arguments[0].is(Kind::kString) && binder.KnownValue(arguments[0]) == nullptr) {
    return Try<Text, int64_t, ParseMicros>(binder, {Kind::kTimestamp, ""}, arguments[0]);
  }
  return binder.AsTimestamp(arguments[0]);
}

Result<Value> BindDate(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments[0].is(Kind::kDate)) return arguments[0];
  ARROW_ASSIGN_OR_RAISE(const Value time, BindTimestamp(binder, node, arguments));
  return binder.Emit(
      Map1<int64_t, int64_t, [](int64_t micros) { return FloorDiv(micros, kDayMicros); }>,
      kDateType, {time});
}

constexpr Function kFunctions[] = {
    {"double", 1, 1, BindDouble},
    {"float", 1, 1, BindDouble},
    {"real", 1, 1, BindDouble},
    {"float64", 1, 1, BindDouble},
    {"int", 1, 1, BindInt},
    {"integer", 1, 1, BindInt},
    {"bigint", 1, 1, BindInt},
    {"long", 1, 1, BindInt},
    {"int64", 1, 1, BindInt},
    {"bool", 1, 1, BindBool},
    {"boolean", 1, 1, BindBool},
    {"string", 1, 1, BindString},
    {"text", 1, 1, BindString},
    {"varchar", 1, 1, BindString},
    {"timestamp", 1, 1, BindTimestamp},
    {"datetime", 1, 1, BindTimestamp},
    {"date", 1, 1, BindDate},
};

}  // namespace

Result<Value> EmitNumber(Binder& binder, const Value& value) {
  if (value.is(Kind::kString)) return binder.Mismatch("numbers", value);
  Value argument = value;
  return BindDouble(binder, Node{}, {&argument, 1});
}

std::span<const Function> CastFunctions() { return kFunctions; }

}  // namespace tercet::expr
