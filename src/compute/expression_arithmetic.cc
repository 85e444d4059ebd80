#include <cmath>
#include <limits>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// + - * / // % and negation.
namespace tercet::expr {

void IntToDouble(const Instruction& instruction, Run& run) {
  Map1<int64_t, double, [](int64_t a) { return static_cast<double>(a); }>(instruction, run);
}

namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

/// Division that rounds down, and the remainder that belongs to it, as in Python.
bool FloorDivide(int64_t a, int64_t b, int64_t* out) {
  if (b == 0 || (a == kLeast && b == -1)) return false;
  const int64_t quotient = a / b;
  *out = quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
  return true;
}

bool Modulo(int64_t a, int64_t b, int64_t* out) {
  if (b == 0) return false;
  if (b == -1) {
    *out = 0;
    return true;
  }
  const int64_t rest = a % b;
  *out = rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  return true;
}

double Modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

/// As numpy.floor_divide: from the remainder, so that a = b · (a // b) + a % b holds best.
double FloorDivide(double a, double b) {
  if (b == 0) return a / b;
  const double quotient = (a - Modulo(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double down = std::floor(quotient);
  return quotient - down > 0.5 ? down + 1 : down;
}

/// `seconds` as microseconds, rounded to the nearest.
bool SecondsToMicros(double seconds, int64_t* micros) {
  const double rounded = std::nearbyint(seconds * 1e6);
  // The bounds are exact in double; NaN fails both.
  if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0)) return false;
  *micros = static_cast<int64_t>(rounded);
  return true;
}

bool AddSeconds(int64_t time, double seconds, int64_t* out) {
  int64_t micros;
  return SecondsToMicros(seconds, &micros) && !__builtin_add_overflow(time, micros, out);
}

bool SubtractSeconds(int64_t time, double seconds, int64_t* out) {
  int64_t micros;
  return SecondsToMicros(seconds, &micros) && !__builtin_sub_overflow(time, micros, out);
}

double SecondsSince(int64_t a, int64_t b) {
  return static_cast<double>(static_cast<__int128>(a) - b) / 1e6;
}

struct Kernels {
  Kernel integers;
  Kernel doubles;
};

/// Both operands as int64 where both are (or null), else as double.
Result<Value> BindNumbers(Binder& binder, std::span<Value> arguments, const Kernels& kernels,
                          bool integers_give_double = false) {
  for (const Value& argument : arguments) {
    if (argument.is_number() || argument.is(Kind::kNull)) continue;
    if (argument.is(Kind::kBool))
      return binder.Mismatch("numbers (write int(x) of a bool)", argument);
    if (argument.is(Kind::kString)) {
      return binder.Mismatch("numbers (join texts with ||, read one with double(x))", argument);
    }
    return binder.Mismatch("numbers", argument);
  }
  ARROW_ASSIGN_OR_RAISE(ValueType common, binder.Unify(arguments));
  if (common.kind == Kind::kNull) return binder.Null(integers_give_double ? kDoubleType : kIntType);
  if (common.kind == Kind::kDouble) {
    return binder.Emit(kernels.doubles, kDoubleType, {arguments[0], arguments[1]});
  }
  return binder.Emit(kernels.integers, integers_give_double ? kDoubleType : kIntType,
                     {arguments[0], arguments[1]});
}

Result<Value> AfterSeconds(Binder& binder, const Value& time, const Value& seconds, bool subtract) {
  if (time.is(Kind::kDate)) {
    return binder.Mismatch("a timestamp and seconds (for days, write add_days(date, n))", time);
  }
  ARROW_ASSIGN_OR_RAISE(const Value amount, binder.AsDouble(seconds));
  return binder.Emit(subtract ? TryMap2<int64_t, double, int64_t, SubtractSeconds>
                              : TryMap2<int64_t, double, int64_t, AddSeconds>,
                     time.type, {time, amount});
}

Result<Value> BindAdd(Binder& binder, const Node&, std::span<Value> arguments) {
  if (arguments[0].is_time()) return AfterSeconds(binder, arguments[0], arguments[1], false);
  if (arguments[1].is_time()) return AfterSeconds(binder, arguments[1], arguments[0], false);
  return BindNumbers(binder, arguments,
                     {TryMap2<int64_t, int64_t, int64_t,
                              [](int64_t a, int64_t b, int64_t* out) {
                                return !__builtin_add_overflow(a, b, out);
                              }>,
                      Map2<double, double, double, [](double a, double b) { return a + b; }>});
}

Result<Value> BindSubtract(Binder& binder, const Node&, std::span<Value> arguments) {
  const bool right_is_time = arguments[1].is_time() || arguments[1].is(Kind::kString);
  if (arguments[0].is_time() && !right_is_time && !arguments[1].is(Kind::kNull)) {
    return AfterSeconds(binder, arguments[0], arguments[1], true);
  }
  if (arguments[0].is_time() || arguments[1].is_time()) {
    ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsTimestamp(arguments[0]));
    ARROW_ASSIGN_OR_RAISE(const Value b, binder.AsTimestamp(arguments[1]));
    return binder.Emit(Map2<int64_t, int64_t, double, SecondsSince>, kDoubleType, {a, b});
  }
  return BindNumbers(binder, arguments,
                     {TryMap2<int64_t, int64_t, int64_t,
                              [](int64_t a, int64_t b, int64_t* out) {
                                return !__builtin_sub_overflow(a, b, out);
                              }>,
                      Map2<double, double, double, [](double a, double b) { return a - b; }>});
}

Result<Value> BindMultiply(Binder& binder, const Node&, std::span<Value> arguments) {
  return BindNumbers(binder, arguments,
                     {TryMap2<int64_t, int64_t, int64_t,
                              [](int64_t a, int64_t b, int64_t* out) {
                                return !__builtin_mul_overflow(a, b, out);
                              }>,
                      Map2<double, double, double, [](double a, double b) { return a * b; }>});
}

Result<Value> BindDivide(Binder& binder, const Node&, std::span<Value> arguments) {
  return BindNumbers(binder, arguments,
                     {TryMap2<int64_t, int64_t, double,
                              [](int64_t a, int64_t b, double* out) {
                                *out = static_cast<double>(a) / static_cast<double>(b);
                                return b != 0;
                              }>,
                      Map2<double, double, double, [](double a, double b) { return a / b; }>},
                     true);
}

Result<Value> BindFloorDivide(Binder& binder, const Node&, std::span<Value> arguments) {
  return BindNumbers(
      binder, arguments,
      {TryMap2<int64_t, int64_t, int64_t,
               [](int64_t a, int64_t b, int64_t* out) { return FloorDivide(a, b, out); }>,
       Map2<double, double, double, [](double a, double b) { return FloorDivide(a, b); }>});
}

Result<Value> BindModulo(Binder& binder, const Node&, std::span<Value> arguments) {
  return BindNumbers(
      binder, arguments,
      {TryMap2<int64_t, int64_t, int64_t,
               [](int64_t a, int64_t b, int64_t* out) { return Modulo(a, b, out); }>,
       Map2<double, double, double, [](double a, double b) { return Modulo(a, b); }>});
}

Result<Value> BindNegate(Binder& binder, const Node&, std::span<Value> arguments) {
  if (arguments[0].is(Kind::kInt) || arguments[0].is(Kind::kNull)) {
    ARROW_ASSIGN_OR_RAISE(const Value a, binder.As(arguments[0], kIntType));
    return binder.Emit(TryMap1<int64_t, int64_t,
                               [](int64_t x, int64_t* out) {
                                 return !__builtin_sub_overflow(int64_t{0}, x, out);
                               }>,
                       kIntType, {a});
  }
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsDouble(arguments[0]));
  return binder.Emit(Map1<double, double, [](double x) { return -x; }>, kDoubleType, {a});
}

constexpr Function kFunctions[] = {
    {"+", 2, 2, BindAdd},         {"-", 2, 2, BindSubtract},     {"*", 2, 2, BindMultiply},
    {"/", 2, 2, BindDivide},      {"//", 2, 2, BindFloorDivide}, {"%", 2, 2, BindModulo},
    {"negate", 1, 1, BindNegate},
};

}  // namespace

std::span<const Function> ArithmeticFunctions() { return kFunctions; }

}  // namespace tercet::expr
