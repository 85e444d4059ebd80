#pragma once

#include <arrow/array/data.h>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"
#include "compute/expression_program.h"

/// Lists, maps and structs in registers: not copied, but named where they lie in the column.
namespace tercet::expr {

/// A list of numbers.
struct List {
  const void* values;  ///< floats or doubles, as the kind of the register says
  int64_t count;       ///< −1: an element is null, so that nothing can be computed
};

/// The row of a map or struct column.
struct NestedRow {
  const arrow::ArrayData* column;
  int64_t row;
};

/// Where the elements of a row of a list or map column are, in its child.
struct ElementRange {
  int64_t begin;
  int64_t count;
};
ElementRange ElementsOf(const arrow::ArrayData& column, int64_t row);

/// Reads a map or struct column.
void ReadNestedRows(const Instruction& instruction, Run& run);

/// As WithLayout (expression_kernel.h), lists, maps and structs too.
template <typename Call>
auto WithAnyLayout(Kind kind, Call&& call) {
  if (kind == Kind::kFloatList || kind == Kind::kDoubleList) {
    return call.template operator()<List>();
  }
  if (IsNested(kind)) return call.template operator()<NestedRow>();
  return WithLayout(LayoutOf(kind), std::forward<Call>(call));
}

/// The member `name` of a struct. TypeError where it has none.
Result<Value> BindMember(Binder& binder, const Value& value, const std::string& name);

}  // namespace tercet::expr
