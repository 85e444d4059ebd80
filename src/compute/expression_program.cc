#include "compute/expression_program.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>

#include <arrow/array.h>

#include "compute/expression_output.h"

namespace tercet::expr {

Layout LayoutOf(Kind kind) {
  switch (kind) {
    case Kind::kNull:
    case Kind::kBool:
    case Kind::kOpaque:
      return Layout::kBool;
    case Kind::kInt:
    case Kind::kTimestamp:
    case Kind::kDate:
      return Layout::kInt64;
    case Kind::kDouble:
      return Layout::kDouble;
    case Kind::kString:
      return Layout::kText;
    case Kind::kFloatList:
    case Kind::kDoubleList:
    case Kind::kMap:
    case Kind::kStruct:
      return Layout::kNested;
  }
  return Layout::kBool;
}

namespace {

/// The registers' memory in one piece; small programs on few rows need no allocation.
class Registers {
 public:
  Registers(const std::vector<Layout>& slots, int64_t rows) {
    const size_t count = slots.size();
    size_t bytes = 0;
    const auto width = static_cast<size_t>(rows);
    // Validity is padded to whole words so that values stay aligned.
    const size_t valid_bytes = (width + 15) / 16 * 16;
    for (Layout slot : slots) bytes += (WidthOf(slot) * width + 15) / 16 * 16 + valid_bytes;
    bytes += count * sizeof(Register);
    std::byte* at = inline_;
    if (bytes > sizeof(inline_)) {
      heap_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
      at = heap_.get();
    }
    registers_ = reinterpret_cast<Register*>(at);
    at += count * sizeof(Register);
    static_assert(sizeof(Register) % 16 == 0);
    for (size_t k = 0; k < count; ++k) {
      Register* slot = new (registers_ + k) Register;
      slot->storage = slot->values = at;
      at += (WidthOf(slots[k]) * width + 15) / 16 * 16;
      slot->valid = reinterpret_cast<uint8_t*>(at);
      at += valid_bytes;
    }
  }
  Register* get() { return registers_; }

 private:
  alignas(16) std::byte inline_[2048];
  std::unique_ptr<std::byte[]> heap_;
  Register* registers_ = nullptr;
};

constexpr size_t kInlineColumns = 16;

/// A result of one row as a cell. A register may be used again by what comes after, so numbers are
/// taken out of it.
Status HandOut(const Register& result, Kind kind, Arena* memory, Cell* cell) {
  *cell = {};
  if (kind == Kind::kNull || (result.has_nulls && *result.valid == 0)) return Status::OK();
  if (kind == Kind::kString) {
    const std::string_view text = *static_cast<const std::string_view*>(result.values);
    if (text.size() > std::numeric_limits<int32_t>::max()) {
      return Status::CapacityError("an expression's text exceeds 2 GiB");
    }
    // An empty text is not a null, even where it lies nowhere.
    *cell = {text.empty() ? "" : text.data(), static_cast<uint32_t>(text.size())};
    return Status::OK();
  }
  const uint32_t size = kind == Kind::kBool ? 1 : kind == Kind::kDate ? 4 : 8;
  char* kept = memory->TakeArray<char>(size);
  // A date's 32 bits are the lower half of the register's number.
  std::memcpy(kept, result.values, size);
  *cell = {kept, size};
  return Status::OK();
}
static_assert(std::endian::native == std::endian::little);

}  // namespace

Result<arrow::ArrayDataVector> Program::Evaluate(const arrow::RecordBatch& batch) const {
  const arrow::ArrayData* few[kInlineColumns];
  std::vector<const arrow::ArrayData*> many;
  const arrow::ArrayData** inputs = few;
  if (columns.size() > kInlineColumns) {
    many.resize(columns.size());
    inputs = many.data();
  }
  const arrow::ArrayDataVector& data = batch.column_data();
  for (size_t k = 0; k < columns.size(); ++k) {
    if (columns[k] >= batch.num_columns()) {
      return Status::Invalid("an expression was compiled for a batch with a column ", columns[k],
                             ", and got one of ", batch.num_columns(), " columns");
    }
    const auto& column = data[static_cast<size_t>(columns[k])];
    if (column->type->id() != column_types[k]->id() ||
        (column->type.get() != column_types[k].get() && !column->type->Equals(*column_types[k]))) {
      return Status::TypeError("an expression was compiled for column ",
                               batch.schema()->field(columns[k])->name(), " of type ",
                               column_types[k]->ToString(), ", and got ", column->type->ToString());
    }
    inputs[k] = column.get();
  }

  const int64_t rows = batch.num_rows();
  Registers registers(slots, std::min(rows, kChunkRows));
  Arena arena;
  ARROW_ASSIGN_OR_RAISE(std::vector<Output> outputs, Output::Reserve(results, rows));
  Run run{registers.get(), 0, 0, inputs, &arena};
  for (run.start = 0; run.start < rows; run.start += run.rows) {
    run.rows = std::min(kChunkRows, rows - run.start);
    for (const Instruction& instruction : instructions) {
      if (instruction.kernel != nullptr) {
        instruction.kernel(instruction, run);
      } else {
        ARROW_RETURN_NOT_OK(outputs[static_cast<size_t>(instruction.number)].Append(
            run.registers[instruction.in[0]], run.rows));
      }
    }
    arena.Reset();
  }
  return Output::Finish(std::move(outputs));
}

Status Program::EvaluateRow(std::span<const Cell> row, Arena* memory,
                            std::span<Cell> answers) const {
  constexpr size_t kWidth = 16;
  const size_t count = slots.size();
  auto* registers = memory->TakeArray<Register>(count);
  auto* storage = memory->TakeArray<std::byte>(count * kWidth);
  auto* valid = memory->TakeArray<uint8_t>(count);
  for (size_t k = 0; k < count; ++k) {
    std::byte* own = storage + k * kWidth;
    new (registers + k) Register{own, valid + k, false, own};
  }
  Run run{registers, 1, 0, nullptr, memory, row.data()};
  for (const Instruction& instruction : row_instructions) {
    if (instruction.kernel != nullptr) {
      instruction.kernel(instruction, run);
      continue;
    }
    const auto result = static_cast<size_t>(instruction.number);
    ARROW_RETURN_NOT_OK(HandOut(registers[instruction.in[0]], results[result].kind, memory,
                                &answers[result]));
  }
  return Status::OK();
}

}  // namespace tercet::expr
