#include <algorithm>

#include <arrow/array/builder_base.h>
#include <arrow/array/builder_nested.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "compute/expression_binder.h"
#include "compute/expression_column.h"
#include "compute/expression_kernel.h"
#include "compute/expression_nested.h"

/// Maps: how they are read, and the one lookup in them.
namespace tercet::expr {

void ReadNestedRows(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& column = Source(instruction, run);
  NestedRow* out = Out<NestedRow>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = {&column, run.start + i};
}

namespace {

/// How a map's keys and values are read.
struct Lookup {
  Kernel key_reader;
  Kernel value_reader;
  const arrow::MapType* type;
};

/// The value of the entry with the key; of equal keys the last entry's. Null where there is none.
template <typename K, typename V>
void ElementAt(const Instruction& instruction, Run& run) {
  const auto& lookup = instruction.Payload<Lookup>();
  const NestedRow* maps = In<NestedRow>(instruction, run, 0);
  const K* wanted = In<K>(instruction, run, 1);
  V* out = Out<V>(instruction, run);
  AndValidity(instruction, run, 2);
  uint8_t* valid = WritableValidity(instruction, run);
  Elements keys(lookup.key_reader, lookup.type->key_type().get(), run.arena);
  Elements values(lookup.value_reader, lookup.type->item_type().get(), run.arena);
  // Whose keys have been read: a map in the text is the same for all rows.
  NestedRow last{nullptr, 0};
  ElementRange range{0, 0};
  const K* known = nullptr;
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = V{};
    if (valid[i] == 0) continue;
    valid[i] = 0;
    const arrow::ArrayData& entries = *maps[i].column->child_data[0];
    if (maps[i].column != last.column || maps[i].row != last.row) {
      last = maps[i];
      range = ElementsOf(*last.column, last.row);
      range.begin += entries.offset;
      const Register& read = keys.Read(*entries.child_data[0], range.begin, range.count);
      known = static_cast<const K*>(read.values);
    }
    int64_t at = range.count - 1;
    while (at >= 0 && !(known[at] == wanted[i])) --at;
    if (at < 0) continue;
    const Register& value = values.Read(*entries.child_data[1], range.begin + at, 1);
    if (value.has_nulls && value.valid[0] == 0) continue;
    valid[i] = 1;
    out[i] = *static_cast<const V*>(value.values);
  }
}

/// A map that the text gives, the same for every row.
void GiveMap(const Instruction& instruction, Run& run) {
  const auto& map = instruction.Payload<std::shared_ptr<arrow::ArrayData>>();
  std::fill_n(Out<NestedRow>(instruction, run), run.rows, NestedRow{map.get(), 0});
  run.registers[instruction.out].has_nulls = false;
}

std::shared_ptr<arrow::Scalar> ScalarOf(const Literal& literal,
                                        const std::shared_ptr<arrow::DataType>& type) {
  if (!literal.valid) return arrow::MakeNullScalar(type);
  switch (literal.kind) {
    case Kind::kBool:
      return std::make_shared<arrow::BooleanScalar>(literal.integer != 0);
    case Kind::kDouble:
      return std::make_shared<arrow::DoubleScalar>(literal.number);
    case Kind::kString:
      return std::make_shared<arrow::StringScalar>(literal.text);
    case Kind::kTimestamp:
      return std::make_shared<arrow::TimestampScalar>(literal.integer, type);
    case Kind::kDate:
      return std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(literal.integer));
    default:
      return std::make_shared<arrow::Int64Scalar>(literal.integer);
  }
}

/// map(key, value, key, value, …) of constants, as Spark has it.
Result<Value> BindMap(Binder& binder, const Node&, std::span<Value> arguments) {
  if (arguments.size() % 2 != 0) {
    return binder.Error("'map' takes keys and values in turn, not " +
                        std::to_string(arguments.size()) + " arguments");
  }
  std::vector<Value> keys, items;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (binder.KnownValue(arguments[i]) == nullptr) {
      return binder.Error("'map' takes constants; its argument " + std::to_string(i + 1) +
                          " is computed of a column");
    }
    (i % 2 == 0 ? keys : items).push_back(arguments[i]);
  }
  ARROW_ASSIGN_OR_RAISE(const ValueType key, binder.Unify(keys));
  ARROW_ASSIGN_OR_RAISE(const ValueType item, binder.Unify(items));
  if (key.kind == Kind::kNull || item.kind == Kind::kNull) {
    return binder.Error("'map' needs keys and values that are not null");
  }
  const auto type = arrow::map(ArrowTypeOf(key), ArrowTypeOf(item));
  ARROW_ASSIGN_OR_RAISE(const auto made, arrow::MakeBuilder(type));
  auto& builder = static_cast<arrow::MapBuilder&>(*made);
  ARROW_RETURN_NOT_OK(builder.Append());
  for (size_t i = 0; i < keys.size(); ++i) {
    const Literal& known = *binder.KnownValue(keys[i]);
    if (!known.valid) return binder.Error("a key of 'map' is null");
    ARROW_RETURN_NOT_OK(
        builder.key_builder()->AppendScalar(*ScalarOf(known, ArrowTypeOf(key))));
    ARROW_RETURN_NOT_OK(builder.item_builder()->AppendScalar(
        *ScalarOf(*binder.KnownValue(items[i]), ArrowTypeOf(item))));
  }
  ARROW_ASSIGN_OR_RAISE(const auto map, builder.Finish());
  const auto* owned = binder.Own(map->data());
  return binder.Emit(GiveMap, {Kind::kMap, "", (*owned)->type.get()}, {}, 0, owned);
}

/// element_at(map, key), as Trino and Spark have it; of a struct, the member that a text names.
Result<Value> BindElementAt(Binder& binder, const Node&, std::span<Value> arguments) {
  const Value& map = arguments[0];
  if (map.is(Kind::kNull)) return binder.Null({});
  if (map.is(Kind::kStruct)) {
    const Literal* name = binder.KnownValue(arguments[1]);
    if (name == nullptr || !arguments[1].is(Kind::kString) || !name->valid) {
      return binder.Error("a member of a struct is named by a text in single quotes");
    }
    return BindMember(binder, map, name->text);
  }
  if (!map.is(Kind::kMap)) {
    return binder.Mismatch("a map and a key, or a struct and a member's name", map);
  }
  const auto& type = static_cast<const arrow::MapType&>(*map.type.nested);
  const auto key = ColumnReader(*type.key_type());
  const auto item = ReaderOf(*type.item_type());
  const auto readable = [](const Result<std::pair<Kernel, ValueType>>& reader) {
    return reader.ok() && reader->second.kind != Kind::kOpaque &&
           reader->second.kind != Kind::kNull;
  };
  if (!readable(key) || !readable(item)) {
    return binder.Error("'element_at' takes maps whose keys and values expressions can read, not " +
                        type.ToString());
  }
  ARROW_ASSIGN_OR_RAISE(const Value wanted, binder.As(arguments[1], key->second));
  const Lookup* lookup =
      binder.Own(Lookup{.key_reader = key->first, .value_reader = item->first, .type = &type});
  const Kernel kernel = WithLayout(LayoutOf(wanted.type.kind), [&]<typename K>() {
    return WithAnyLayout(item->second.kind,
                         []<typename V>() -> Kernel { return ElementAt<K, V>; });
  });
  return binder.Emit(kernel, item->second, {map, wanted}, 0, lookup);
}

constexpr Function kFunctions[] = {
    {"element_at", 2, 2, BindElementAt},
    {"map", 2, -1, BindMap},
};

}  // namespace

std::span<const Function> MapFunctions() { return kFunctions; }

}  // namespace tercet::expr
