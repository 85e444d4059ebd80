#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/cell.h"
#include "base/result.h"

namespace tercet {

class Arena;

namespace expr {
struct Tree;
}

/// The one expression language, for on-demand features and filters (decision 8). SQL's look:
/// `year(event_time) - planes.year`, `if(temp is null, 0, temp * 1.8 + 32)`, `a and not b`,
/// `case when x > 1 then 'hot' else 'cold' end`, `coalesce(a, b, 0)`, `x between 1 and 2`,
/// `carrier in ('AA', 'UA')`. Full list of operators, functions, types and null rules:
/// docs/reference/expressions.md. A null operand gives null unless said otherwise; division by
/// zero of integers is null, of floats IEEE 754.
class Expression {
 public:
  /// Parses; Invalid with the position and what was expected. At most 64 KiB and 200 levels deep.
  static Result<Expression> Parse(std::string_view text);
  ~Expression();
  Expression(const Expression&);
  Expression& operator=(const Expression&);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  /// Names as written ("temp", "planes.year"), each once, in order of first use.
  const std::vector<std::string>& columns() const;
  /// The same with dotted names read as members of structs: "home.place.lat" that is no column, as
  /// far as a part before a dot is one. columns() then has that part.
  Expression WithMembers(const std::function<bool(const std::string&)>& is_column) const;

  /// Whether the language has a function of this name, in lower case.
  static bool IsFunction(std::string_view name);
  /// Whether a function is called anywhere, by its name in lower case, be it the language's or not.
  bool Calls(std::string_view function) const;
  /// The function's name in lower case and its arguments, where the whole expression is one call on
  /// columns; nullopt for any other.
  struct ColumnCall {
    std::string function;
    std::vector<std::string> columns;
  };
  std::optional<ColumnCall> column_call() const;

 private:
  friend class CompiledExpression;
  explicit Expression(std::shared_ptr<const expr::Tree> tree);
  std::shared_ptr<const expr::Tree> tree_;  ///< immutable, so copies are cheap
};

/// An expression bound to input columns and types: typed loops over spans, the same for a million
/// rows or one. Immutable and thread-safe.
class CompiledExpression {
 public:
  /// KeyError with a suggestion for an unknown column, TypeError for operands that don't fit.
  /// Input columns are looked up by name in `schema`; a name with a dot is looked up as such.
  static Result<std::shared_ptr<const CompiledExpression>> Compile(const Expression& expression,
                                                                   const arrow::Schema& schema);
  virtual ~CompiledExpression() = default;
  virtual const std::shared_ptr<arrow::DataType>& type() const = 0;
  /// One value a row. `batch` has the schema that was compiled for. Bit-equal for any batch size.
  virtual Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const = 0;

  /// Whether the columns that it reads, and its answer, are of cell types.
  virtual bool takes_cells() const = 0;
  /// One row in place, where it takes cells: `row` has one for each column of the schema that was
  /// compiled for. The same instructions as Evaluate's, so the same bits. The answer stays as long
  /// as `row`, this, and what was taken from `memory`.
  virtual Status EvaluateRow(std::span<const Cell> row, Arena* memory, Cell* answer) const = 0;
};

}  // namespace tercet
