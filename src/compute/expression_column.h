#pragma once

#include <arrow/array/data.h>

#include "compute/expression_program.h"

/// What the kernels that read columns share.
namespace tercet::expr {

/// The column that an instruction reads.
inline const arrow::ArrayData& Source(const Instruction& instruction, const Run& run) {
  return *run.columns[instruction.number];
}

/// The validity of the chunk's rows, for the register that is read into.
void ReadValidity(const Instruction& instruction, Run& run);

/// Reads values of an array from any place on: the elements of a list, the entries of a map, an
/// entry of a dictionary.
class Elements {
 public:
  /// `reader` is ColumnReader's for the type. Memory comes from the arena.
  Elements(Kernel reader, const arrow::DataType* type, Arena* arena);
  /// The values [begin, begin + count) of `array`, in a register that is good until the next call.
  const Register& Read(const arrow::ArrayData& array, int64_t begin, int64_t count);

 private:
  Instruction read_;
  Arena* const arena_;
  int64_t capacity_ = 0;
  Register register_;
};

}  // namespace tercet::expr
