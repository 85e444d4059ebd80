#include <type_traits>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// and, or, not, is null, if, case, coalesce, nullif.
namespace tercet::expr {
namespace {

/// Kleene's logic: a known `kDecisive` operand (false for and, true for or) decides, whatever the
/// other is.
template <Bool kDecisive>
void Kleene(const Instruction& instruction, Run& run) {
  const Bool* a = In<Bool>(instruction, run, 0);
  const Bool* b = In<Bool>(instruction, run, 1);
  Bool* out = Out<Bool>(instruction, run);
  const Register& left = run.registers[instruction.in[0]];
  const Register& right = run.registers[instruction.in[1]];
  Register& result = run.registers[instruction.out];
  result.has_nulls = left.has_nulls || right.has_nulls;
  if (!result.has_nulls) {
    for (int64_t i = 0; i < run.rows; ++i) {
      out[i] = kDecisive ? a[i] | b[i] : a[i] & b[i];
    }
    return;
  }
  for (int64_t i = 0; i < run.rows; ++i) {
    const Bool has_left = left.has_nulls ? left.valid[i] : 1;
    const Bool has_right = right.has_nulls ? right.valid[i] : 1;
    const Bool decided = (has_left & (a[i] == kDecisive)) | (has_right & (b[i] == kDecisive));
    out[i] = decided ? kDecisive : !kDecisive;
    result.valid[i] = decided | (has_left & has_right);
  }
}

void IsNull(const Instruction& instruction, Run& run) {
  const Register& in = run.registers[instruction.in[0]];
  Bool* out = Out<Bool>(instruction, run);
  run.registers[instruction.out].has_nulls = false;
  for (int64_t i = 0; i < run.rows; ++i) out[i] = in.has_nulls ? !in.valid[i] : 0;
}

/// b where a is true, else c: also where a is null.
template <typename T>
void Select(const Instruction& instruction, Run& run) {
  const Register& condition = run.registers[instruction.in[0]];
  const Register& then = run.registers[instruction.in[1]];
  const Register& otherwise = run.registers[instruction.in[2]];
  const Bool* a = In<Bool>(instruction, run, 0);
  const T* b = In<T>(instruction, run, 1);
  const T* c = In<T>(instruction, run, 2);
  T* out = Out<T>(instruction, run);
  Register& result = run.registers[instruction.out];
  result.has_nulls = then.has_nulls || otherwise.has_nulls;
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool take = a[i] != 0 && (!condition.has_nulls || condition.valid[i] != 0);
    out[i] = take ? b[i] : c[i];
    if (result.has_nulls) {
      const Register& from = take ? then : otherwise;
      result.valid[i] = from.has_nulls ? from.valid[i] : 1;
    }
  }
}

/// a where it is not null, else b.
template <typename T>
void Coalesce(const Instruction& instruction, Run& run) {
  const Register& left = run.registers[instruction.in[0]];
  const Register& right = run.registers[instruction.in[1]];
  const T* a = In<T>(instruction, run, 0);
  const T* b = In<T>(instruction, run, 1);
  T* out = Out<T>(instruction, run);
  Register& result = run.registers[instruction.out];
  result.has_nulls = left.has_nulls && right.has_nulls;
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool has_left = !left.has_nulls || left.valid[i] != 0;
    out[i] = has_left ? a[i] : b[i];
    if (result.has_nulls) result.valid[i] = has_left || right.valid[i] != 0;
  }
}

Result<Value> BindAnd(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsKind(arguments[0], Kind::kBool, "bools"));
  ARROW_ASSIGN_OR_RAISE(const Value b, binder.AsKind(arguments[1], Kind::kBool, "bools"));
  return EmitAnd(binder, a, b);
}

Result<Value> BindOr(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsKind(arguments[0], Kind::kBool, "bools"));
  ARROW_ASSIGN_OR_RAISE(const Value b, binder.AsKind(arguments[1], Kind::kBool, "bools"));
  return EmitOr(binder, a, b);
}

Result<Value> BindNot(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsKind(arguments[0], Kind::kBool, "a bool"));
  return binder.Emit(Map1<Bool, Bool, [](Bool x) { return static_cast<Bool>(x ^ 1); }>, kBoolType,
                     {a});
}

Result<Value> BindIsNull(Binder& binder, const Node&, std::span<Value> arguments) {
  return binder.Emit(IsNull, kBoolType, {arguments[0]});
}

Kernel SelectOf(Kind kind) {
  return WithLayout(LayoutOf(kind), []<typename T>() -> Kernel { return Select<T>; });
}

/// Conditions and values in turn, then the value of no condition.
Result<Value> EmitCase(Binder& binder, std::span<const Value> conditions, std::span<Value> values) {
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(values));
  Value result = values.back();
  for (size_t k = conditions.size(); k-- > 0;) {
    ARROW_ASSIGN_OR_RAISE(const Value condition,
                          binder.AsKind(conditions[k], Kind::kBool, "a bool as its condition"));
    result = binder.Emit(SelectOf(common.kind), common, {condition, values[k], result});
  }
  return result;
}

Result<Value> BindCase(Binder& binder, const Node&, std::span<Value> arguments) {
  std::vector<Value> conditions, values;
  size_t k = 0;
  for (; k + 1 < arguments.size(); k += 2) {
    conditions.push_back(arguments[k]);
    values.push_back(arguments[k + 1]);
  }
  values.push_back(k < arguments.size() ? arguments[k] : binder.Null({Kind::kNull, ""}));
  return EmitCase(binder, conditions, values);
}

Result<Value> BindCaseOf(Binder& binder, const Node&, std::span<Value> arguments) {
  std::vector<Value> compared = {arguments[0]}, values;
  for (size_t k = 1; k + 1 < arguments.size(); k += 2) {
    compared.push_back(arguments[k]);
    values.push_back(arguments[k + 1]);
  }
  values.push_back(arguments.back());
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(compared));
  std::vector<Value> conditions;
  for (size_t k = 1; k < compared.size(); ++k) {
    conditions.push_back(EmitEqual(binder, common, compared[0], compared[k]));
  }
  return EmitCase(binder, conditions, values);
}

Result<Value> BindCoalesce(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  const Kernel kernel =
      WithLayout(LayoutOf(common.kind), []<typename T>() -> Kernel { return Coalesce<T>; });
  Value result = arguments[0];
  for (const Value& argument : arguments.subspan(1)) {
    result = binder.Emit(kernel, common, {result, argument});
  }
  return result;
}

/// Null where a = b, else a.
Result<Value> BindNullIf(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value original = arguments[0];
  ARROW_ASSIGN_OR_RAISE(const ValueType common, binder.Unify(arguments));
  const Value equal = EmitEqual(binder, common, arguments[0], arguments[1]);
  return binder.Emit(SelectOf(original.type.kind), original.type,
                     {equal, binder.Null(original.type), original});
}

constexpr Function kFunctions[] = {
    {"and", 2, 2, BindAnd},         {"or", 2, 2, BindOr},
    {"not", 1, 1, BindNot},         {"is null", 1, 1, BindIsNull},
    {"if", 3, 3, BindCase},         {"case", 2, -1, BindCase},
    {"case of", 3, -1, BindCaseOf}, {"coalesce", 1, -1, BindCoalesce},
    {"ifnull", 2, 2, BindCoalesce}, {"nullif", 2, 2, BindNullIf},
};

}  // namespace

std::span<const Function> LogicFunctions() { return kFunctions; }

Value EmitAnd(Binder& binder, const Value& a, const Value& b) {
  return binder.Emit(Kleene<0>, kBoolType, {a, b});
}

Value EmitOr(Binder& binder, const Value& a, const Value& b) {
  return binder.Emit(Kleene<1>, kBoolType, {a, b});
}

}  // namespace tercet::expr
