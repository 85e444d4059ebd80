#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "base/result.h"
#include "compute/expression_program.h"
#include "compute/expression_tree.h"

namespace tercet::expr {

/// The type of a value: its kind, the zone of a timestamp ("" for none), and of a map or struct
/// the Arrow type, which the program owns.
struct ValueType {
  Kind kind = Kind::kNull;
  std::string zone;
  const arrow::DataType* nested = nullptr;
};

inline const ValueType kBoolType{Kind::kBool, ""};
inline const ValueType kIntType{Kind::kInt, ""};
inline const ValueType kDoubleType{Kind::kDouble, ""};
inline const ValueType kStringType{Kind::kString, ""};
inline const ValueType kDateType{Kind::kDate, ""};

/// "int64", "double", "string" …: the word of the reference.
std::string_view KindName(Kind kind);
/// The type of a result. An opaque kind has none.
std::shared_ptr<arrow::DataType> ArrowTypeOf(const ValueType& type);

/// A value of the program being built.
struct Value {
  ValueType type;
  int32_t id = -1;
  bool is(Kind kind) const { return type.kind == kind; }
  bool is_number() const { return is(Kind::kInt) || is(Kind::kDouble); }
  bool is_time() const { return is(Kind::kTimestamp) || is(Kind::kDate); }
};

/// Builds a program instruction by instruction. What has only constant inputs is computed at once.
class Binder {
 public:
  explicit Binder(const std::string& text);

  /// The call being bound, for error messages.
  void Enter(const Node& node) { node_ = &node; }
  /// TypeError at the current call: "expression '…' at character 5: MESSAGE".
  Status Error(std::string_view message) const;
  /// "NAME takes EXPECTED, not GOT".
  Status Mismatch(std::string_view expected, const Value& got) const;

  Value Constant(const ValueType& type, Literal literal);
  Value Null(const ValueType& type) { return Constant(type, {.kind = type.kind}); }
  /// The value where it is known now, else null.
  const Literal* KnownValue(const Value& value) const;
  /// TypeError when the type can't be used in expressions at all.
  Result<Value> Column(int index, const std::shared_ptr<arrow::DataType>& type);
  Value Emit(Kernel kernel, const ValueType& type, std::initializer_list<Value> inputs,
             int64_t number = 0, const void* payload = nullptr);

  /// Moves something that instructions need into the program.
  template <typename T>
  const T* Own(T value) {
    auto held = std::make_unique<Held<T>>(std::move(value));
    const T* pointer = &held->value;
    program_.payloads.push_back(std::move(held));
    return pointer;
  }

  /// The value as a kind that it converts to by itself: null to any, int64 to double, a date to a
  /// timestamp, a text in quotes to the time that it writes. TypeError otherwise.
  Result<Value> As(const Value& value, const ValueType& type);
  Result<Value> AsDouble(const Value& value);
  Result<Value> AsTimestamp(const Value& value);
  Result<Value> AsKind(const Value& value, Kind kind, std::string_view expected);
  /// The one type that all values convert to by themselves. TypeError when there is none.
  Result<ValueType> Common(std::span<const Value> values);
  /// Makes all values of their common type, in place.
  Result<ValueType> Unify(std::span<Value> values);

  /// The finished program: dead instructions dropped, registers shared. Once, at the end.
  Program Finish(std::span<const Value> results);

 private:
  struct Definition {
    Instruction instruction;  ///< in and out are values here, registers in the program
    Layout layout;
    std::optional<Literal> known;
    int64_t column = -1;  ///< of the program's, where this reads one
  };

  Literal Compute(const Definition& definition, Kind kind);
  void AddRowInstructions(const std::vector<int64_t>& columns);
  Result<Literal> ParseTimeLiteral(const Literal& text) const;

  const std::string& text_;
  const Node* node_ = nullptr;
  std::vector<Definition> values_;
  Program program_;
};

/// One function or operator: its name, how many arguments, and what it compiles to.
struct Function {
  std::string_view name;
  int min_arguments;
  int max_arguments;  ///< −1: any number
  Result<Value> (*bind)(Binder& binder, const Node& node, std::span<Value> arguments);
};

std::span<const Function> ArithmeticFunctions();
std::span<const Function> MathFunctions();
std::span<const Function> ComparisonFunctions();
std::span<const Function> LogicFunctions();
std::span<const Function> TimeFunctions();
std::span<const Function> TextFunctions();
std::span<const Function> PatternFunctions();
std::span<const Function> PlaceFunctions();
std::span<const Function> ZoneFunctions();
std::span<const Function> ListFunctions();
std::span<const Function> MapFunctions();
std::span<const Function> CastFunctions();

/// Operators that others are made of. `common` is the type of both operands.
Value EmitEqual(Binder& binder, const ValueType& common, const Value& a, const Value& b);
Value EmitAnd(Binder& binder, const Value& a, const Value& b);
Value EmitOr(Binder& binder, const Value& a, const Value& b);

/// A number or bool as double, as the function double() does. TypeError otherwise.
Result<Value> EmitNumber(Binder& binder, const Value& value);

/// Conversions that Binder::As needs.
void IntToDouble(const Instruction& instruction, Run& run);
void DateToTimestamp(const Instruction& instruction, Run& run);

/// The kernel that reads a column of an Arrow type into a register, and the kind that it gives.
/// TypeError for types without one. `payload` of its instruction is the DataType.
Result<std::pair<Kernel, ValueType>> ColumnReader(const arrow::DataType& type);

/// The same, and for lists of numbers, maps and structs what functions take of them. The type that
/// a map's or struct's ValueType names is `type`.
Result<std::pair<Kernel, ValueType>> ReaderOf(const arrow::DataType& type);

/// The kernel that reads a cell of the type; null for types that are none of cells. `number` of its
/// instruction is the column's place in the row.
Kernel CellReader(const arrow::DataType& type);

}  // namespace tercet::expr
