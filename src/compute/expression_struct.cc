#include <algorithm>

#include <arrow/type.h>

#include "base/name.h"
#include "compute/expression_binder.h"
#include "compute/expression_column.h"
#include "compute/expression_kernel.h"
#include "compute/expression_nested.h"

/// Structs: their members, which are columns of their own beside each other.
namespace tercet::expr {
namespace {

/// How a member is read.
struct Member {
  Kernel reader;
  const arrow::DataType* type;
  size_t index;
};

/// A member of each row's struct. Rows that follow each other in a column are read at once.
template <typename V>
void ReadMember(const Instruction& instruction, Run& run) {
  const auto& member = instruction.Payload<Member>();
  const NestedRow* rows = In<NestedRow>(instruction, run, 0);
  V* out = Out<V>(instruction, run);
  AndValidity(instruction, run, 1);
  uint8_t* valid = WritableValidity(instruction, run);
  Elements values(member.reader, member.type, run.arena);
  for (int64_t i = 0; i < run.rows;) {
    if (valid[i] == 0) {
      out[i++] = V{};
      continue;
    }
    int64_t count = 1;
    while (i + count < run.rows && valid[i + count] != 0 &&
           rows[i + count].column == rows[i].column && rows[i + count].row == rows[i].row + count) {
      ++count;
    }
    const arrow::ArrayData& column = *rows[i].column;
    const Register& read =
        values.Read(*column.child_data[member.index], column.offset + rows[i].row, count);
    std::copy_n(static_cast<const V*>(read.values), count, out + i);
    if (read.has_nulls) std::copy_n(read.valid, count, valid + i);
    i += count;
  }
}

}  // namespace

Result<Value> BindMember(Binder& binder, const Value& value, const std::string& name) {
  const auto& type = static_cast<const arrow::StructType&>(*value.type.nested);
  const int index = type.GetFieldIndex(name);
  if (index < 0) {
    std::vector<std::string> known;
    for (const auto& member : type.fields()) known.push_back(member->name());
    return binder.Error("the struct has no member '" + name + "'" + Suggest(name, known));
  }
  const arrow::DataType* of = type.field(index)->type().get();
  ARROW_ASSIGN_OR_RAISE(const auto reader, ReaderOf(*of));
  const Member* member = binder.Own(
      Member{.reader = reader.first, .type = of, .index = static_cast<size_t>(index)});
  const Kernel kernel = WithAnyLayout(reader.second.kind,
                                      []<typename V>() -> Kernel { return ReadMember<V>; });
  return binder.Emit(kernel, reader.second, {value}, 0, member);
}

}  // namespace tercet::expr
