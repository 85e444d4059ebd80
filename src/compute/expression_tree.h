#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compute/expression.h"

namespace tercet::expr {

/// What kinds of values an expression computes with; docs/reference/expressions.md says which
/// Arrow type becomes which. Lists of numbers, maps and structs are what some functions take;
/// opaque values can only be tested for null.
enum class Kind : uint8_t {
  kNull,
  kBool,
  kInt,
  kDouble,
  kString,
  kTimestamp,
  kDate,
  kFloatList,   ///< of 32-bit floats
  kDoubleList,  ///< of any other numbers
  kMap,
  kStruct,
  kOpaque
};
inline bool IsNested(Kind kind) {
  return kind == Kind::kFloatList || kind == Kind::kDoubleList || kind == Kind::kMap ||
         kind == Kind::kStruct;
}

/// One value of a kind: a literal in the text, or a constant found while compiling.
struct Literal {
  Kind kind = Kind::kNull;
  bool valid = false;     ///< false: null
  int64_t integer = 0;    ///< kBool (0, 1), kInt, kTimestamp (microseconds), kDate (days)
  double number = 0;      ///< kDouble
  std::string text = {};  ///< kString
};

/// A literal, a column, or a call; operators are calls of their sign ("+", "is null", "case").
struct Node {
  enum class Form : uint8_t { kLiteral, kColumn, kCall };
  Form form = Form::kLiteral;
  bool quoted = false;    ///< a column written in double quotes
  uint32_t position = 0;  ///< byte offset in the text
  std::string name;       ///< of the column or call; calls in lower case
  Literal literal;
  std::vector<int32_t> arguments;  ///< indexes of nodes, all less than this node's
  /// Of a column that is a struct: which member of which member (Expression::WithMembers).
  std::vector<std::string> members;
};

/// A parsed text: nodes with operands before operators, the last one being the result. Flat, so
/// that no walk over it recurses however long a chain of operators is.
struct Tree {
  std::string text;
  std::vector<Node> nodes;
  std::vector<std::string> columns;  ///< each once, in order of first use
};

/// "expression 'a + ' at character 5: MESSAGE", with a long text cut short.
std::string Located(std::string_view text, uint32_t position, std::string_view message);

/// The names between dots.
std::vector<std::string> PartsOf(std::string_view dotted);

/// See Expression::Parse.
Result<std::shared_ptr<const Tree>> ParseTree(std::string_view text);

}  // namespace tercet::expr
