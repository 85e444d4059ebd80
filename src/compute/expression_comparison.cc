#include <algorithm>
#include <cmath>
#include <type_traits>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// = <> < <= > >=, between, in, min and max.
namespace tercet::expr {
namespace {

struct Equal {
  template <typename T>
  static Bool Test(const T& a, const T& b) {
    return a == b;
  }
};
struct Unequal {
  template <typename T>
  static Bool Test(const T& a, const T& b) {
    return a != b;
  }
};
struct Less {
  template <typename T>
  static Bool Test(const T& a, const T& b) {
    return a < b;
  }
};
struct LessEqual {
  template <typename T>
  static Bool Test(const T& a, const T& b) {
    return a <= b;
  }
};

/// Doubles compare as IEEE 754 says (a NaN equals nothing), texts by their bytes, false < true.
template <typename Test>
Value EmitComparison(Binder& binder, const ValueType& common, const Value& a, const Value& b) {
  if (common.kind == Kind::kNull) return binder.Null(kBoolType);
  const Kernel kernel = WithLayout(LayoutOf(common.kind), []<typename T>() -> Kernel {
    return Map2<T, T, Bool, [](const T& x, const T& y) { return Test::Test(x, y); }>;
  });
  return binder.Emit(kernel, kBoolType, {a, b});
}

template <typename Test, bool kSwapped = false>
Result<Value> BindComparison(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  return EmitComparison<Test>(binder, common, arguments[kSwapped ? 1 : 0],
                              arguments[kSwapped ? 0 : 1]);
}

Result<Value> BindBetween(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  const Value low = EmitComparison<LessEqual>(binder, common, arguments[1], arguments[0]);
  const Value high = EmitComparison<LessEqual>(binder, common, arguments[0], arguments[2]);
  return EmitAnd(binder, low, high);
}

/// The known values of an `in` list, sorted; T owns its text.
template <typename T>
struct ValueSet {
  std::vector<T> values;
  bool has_null = false;
};

template <typename T>
using Owned = std::conditional_t<std::is_same_v<T, std::string_view>, std::string, T>;

template <typename T>
void InSet(const Instruction& instruction, Run& run) {
  const auto& set = instruction.Payload<ValueSet<Owned<T>>>();
  const T* a = In<T>(instruction, run);
  Bool* out = Out<Bool>(instruction, run);
  AndValidity(instruction, run, 1);
  constexpr size_t kFew = 8;
  for (int64_t i = 0; i < run.rows; ++i) {
    bool found = false;
    if (set.values.size() <= kFew) {
      for (const auto& value : set.values) found = found || a[i] == value;
    } else {
      const auto at = std::lower_bound(set.values.begin(), set.values.end(), a[i]);
      found = at != set.values.end() && a[i] == *at;
    }
    out[i] = found;
  }
  if (!set.has_null) return;
  // What was not found might equal the null.
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) valid[i] &= out[i];
}

template <typename T>
T ValueOf(const Literal& literal) {
  if constexpr (std::is_same_v<T, double>) {
    return literal.number;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return literal.text;
  } else {
    return static_cast<T>(literal.integer);
  }
}

template <typename T>
Value EmitInSet(Binder& binder, const Value& a, std::span<const Value> values) {
  ValueSet<Owned<T>> set;
  for (const Value& value : values) {
    const Literal& literal = *binder.KnownValue(value);
    if (!literal.valid) {
      set.has_null = true;
      continue;
    }
    const auto member = ValueOf<Owned<T>>(literal);
    if (member == member) set.values.push_back(member);  // a NaN equals nothing
  }
  std::sort(set.values.begin(), set.values.end());
  return binder.Emit(InSet<T>, kBoolType, {a}, 0, binder.Own(std::move(set)));
}

/// Known values become a set; any others are compared one by one and joined by `or`.
Result<Value> BindIn(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  if (common.kind == Kind::kNull) return binder.Null(kBoolType);
  const Value a = arguments[0];
  std::vector<Value> known, others;
  for (const Value& value : arguments.subspan(1)) {
    (binder.KnownValue(value) != nullptr ? known : others).push_back(value);
  }
  Value found;
  if (!known.empty()) {
    found = WithLayout(LayoutOf(common.kind),
                       [&]<typename T>() { return EmitInSet<T>(binder, a, known); });
  }
  for (const Value& other : others) {
    const Value equal = EmitComparison<Equal>(binder, common, a, other);
    found = found.id < 0 ? equal : EmitOr(binder, found, equal);
  }
  return found;
}

/// Nulls are passed over; a NaN is larger than any number.
template <typename T, bool kLargest>
void Extreme(const Instruction& instruction, Run& run) {
  const T* a = In<T>(instruction, run, 0);
  const T* b = In<T>(instruction, run, 1);
  T* out = Out<T>(instruction, run);
  const Register& left = run.registers[instruction.in[0]];
  const Register& right = run.registers[instruction.in[1]];
  Register& result = run.registers[instruction.out];
  result.has_nulls = left.has_nulls && right.has_nulls;
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool has_left = !left.has_nulls || left.valid[i] != 0;
    const bool has_right = !right.has_nulls || right.valid[i] != 0;
    bool take_right = kLargest ? a[i] < b[i] : b[i] < a[i];
    if constexpr (std::is_same_v<T, double>) {
      if (std::isnan(a[i])) take_right = !kLargest && !std::isnan(b[i]);
      if (std::isnan(b[i])) take_right = kLargest && !std::isnan(a[i]);
    }
    out[i] = !has_left || (has_right && take_right) ? b[i] : a[i];
    if (result.has_nulls) result.valid[i] = has_left || has_right;
  }
}

template <bool kLargest>
Result<Value> BindExtreme(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments.size() < 2) {
    return binder.Error("'" + node.name +
                        "' takes the least or largest of at least two values of one row");
  }
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  if (common.kind == Kind::kNull) return arguments[0];
  const Kernel kernel = WithLayout(LayoutOf(common.kind),
                                   []<typename T>() -> Kernel { return Extreme<T, kLargest>; });
  Value extreme = arguments[0];
  for (const Value& argument : arguments.subspan(1)) {
    extreme = binder.Emit(kernel, common, {extreme, argument});
  }
  return extreme;
}

constexpr Function kFunctions[] = {
    {"=", 2, 2, BindComparison<Equal>},      {"<>", 2, 2, BindComparison<Unequal>},
    {"<", 2, 2, BindComparison<Less>},       {"<=", 2, 2, BindComparison<LessEqual>},
    {">", 2, 2, BindComparison<Less, true>}, {">=", 2, 2, BindComparison<LessEqual, true>},
    {"between", 3, 3, BindBetween},          {"in", 2, -1, BindIn},
    {"min", 1, -1, BindExtreme<false>},      {"least", 1, -1, BindExtreme<false>},
    {"max", 1, -1, BindExtreme<true>},       {"greatest", 1, -1, BindExtreme<true>},
};

}  // namespace

std::span<const Function> ComparisonFunctions() { return kFunctions; }

Value EmitEqual(Binder& binder, const ValueType& common, const Value& a, const Value& b) {
  return EmitComparison<Equal>(binder, common, a, b);
}

}  // namespace tercet::expr
