#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/record_batch.h>

#include "base/arena.h"
#include "base/cell.h"
#include "base/result.h"
#include "compute/expression_tree.h"

namespace tercet::expr {

/// Rows that a program computes at a time: what it works on stays in the first-level cache. The
/// answer of a row depends on nothing but the row, so the chunking is never visible.
inline constexpr int64_t kChunkRows = 1024;

/// Booleans are bytes 0 and 1 while a program runs.
using Bool = uint8_t;

/// How values of a kind lie in a register: Bool, int64_t, double, string_view, or a List or
/// NestedRow (expression_nested.h).
enum class Layout : uint8_t { kBool, kInt64, kDouble, kText, kNested };
Layout LayoutOf(Kind kind);
inline bool IsWide(Layout layout) { return layout == Layout::kText || layout == Layout::kNested; }
inline size_t WidthOf(Layout layout) { return IsWide(layout) ? 16 : 8; }

/// One chunk of values. `values` is `storage`, or memory of the input column where that lies right.
/// Null slots hold values that are safe to compute with, and are never looked at otherwise.
struct Register {
  void* values = nullptr;
  uint8_t* valid = nullptr;  ///< a byte a row, 1 for a value; only read when has_nulls
  bool has_nulls = false;
  void* storage = nullptr;
};

/// What kernels see of a running program.
struct Run {
  Register* registers;
  int64_t rows;   ///< in this chunk
  int64_t start;  ///< of this chunk in the batch
  const arrow::ArrayData* const* columns;
  Arena* arena;
  const Cell* row = nullptr;  ///< instead of columns, where one row is computed on cells
};

inline constexpr int kMostInputs = 4;

struct Instruction;
using Kernel = void (*)(const Instruction&, Run&);

/// One operator on registers.
struct Instruction {
  Kernel kernel = nullptr;
  int32_t out = -1;
  int32_t in[kMostInputs] = {-1, -1, -1, -1};
  int64_t number = 0;             ///< a kernel's own: a column, a constant, a unit
  const void* payload = nullptr;  ///< a kernel's own, owned by the program

  template <typename T>
  const T& Payload() const {
    return *static_cast<const T*>(payload);
  }
};

template <typename T>
const T* In(const Instruction& instruction, const Run& run, int k = 0) {
  return static_cast<const T*>(run.registers[instruction.in[k]].values);
}

template <typename T>
T* Out(const Instruction& instruction, Run& run) {
  Register& out = run.registers[instruction.out];
  out.values = out.storage;
  return static_cast<T*>(out.storage);
}

/// A row of the output is null where any of the first `count` inputs is.
inline void AndValidity(const Instruction& instruction, Run& run, int count) {
  Register& out = run.registers[instruction.out];
  out.has_nulls = false;
  for (int k = 0; k < count; ++k) {
    const Register& in = run.registers[instruction.in[k]];
    if (!in.has_nulls) continue;
    if (!out.has_nulls) {
      std::memcpy(out.valid, in.valid, static_cast<size_t>(run.rows));
      out.has_nulls = true;
    } else {
      for (int64_t i = 0; i < run.rows; ++i) out.valid[i] &= in.valid[i];
    }
  }
}

/// The output's validity, ready to have rows made null.
inline uint8_t* WritableValidity(const Instruction& instruction, Run& run) {
  Register& out = run.registers[instruction.out];
  if (!out.has_nulls) {
    std::memset(out.valid, 1, static_cast<size_t>(run.rows));
    out.has_nulls = true;
  }
  return out.valid;
}

/// What a payload may own.
struct Holder {
  virtual ~Holder() = default;
};

template <typename T>
struct Held : Holder {
  explicit Held(T held) : value(std::move(held)) {}
  T value;
};

/// One array that a program computes.
struct ProgramResult {
  Kind kind = Kind::kNull;
  std::shared_ptr<arrow::DataType> type;
};

/// A straight line of instructions from columns to results. Immutable and thread-safe. An
/// instruction without a kernel hands its first register to result `number`.
struct Program {
  std::vector<Instruction> instructions;
  /// The same on the cells of one row; empty where a column's type is none of cells.
  std::vector<Instruction> row_instructions;
  std::vector<Layout> slots;  ///< of the registers
  std::vector<int> columns;   ///< what it reads: indexes in the batch
  std::vector<std::shared_ptr<arrow::DataType>> column_types;
  std::vector<ProgramResult> results;
  std::vector<std::unique_ptr<Holder>> payloads;

  /// The results in order, each of as many rows as the batch.
  Result<arrow::ArrayDataVector> Evaluate(const arrow::RecordBatch& batch) const;

  bool takes_cells() const { return !row_instructions.empty(); }
  /// One row: `row` has a cell for each column that a batch would have. The cells of the results
  /// point into `memory`, `row` and this program.
  Status EvaluateRow(std::span<const Cell> row, Arena* memory, std::span<Cell> answers) const;
};

}  // namespace tercet::expr
