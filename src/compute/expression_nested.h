#pragma once

#include <arrow/array/data.h>

#include "compute/expression_program.h"

/// Lists and maps in registers: not copied, but named where they lie in the column.
namespace tercet::expr {

/// A list of numbers.
struct List {
  const void* values;  ///< floats or doubles, as the kind of the register says
  int64_t count;       ///< −1: an element is null, so that nothing can be computed
};

/// The row of a map column.
struct MapRow {
  const arrow::ArrayData* column;
  int64_t row;
};

/// Where the elements of a row of a list or map column are, in its child.
struct ElementRange {
  int64_t begin;
  int64_t count;
};
ElementRange ElementsOf(const arrow::ArrayData& column, int64_t row);

/// Reads a map column.
void ReadMap(const Instruction& instruction, Run& run);

}  // namespace tercet::expr
