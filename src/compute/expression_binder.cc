#include "compute/expression_binder.h"

#include <algorithm>

#include "base/short_text.h"
#include "base/time_text.h"
#include "compute/calendar.h"

namespace tercet::expr {
namespace {

/// Writes one known value to every row; `payload` is a Literal.
void Fill(const Instruction& instruction, Run& run) {
  const auto& literal = instruction.Payload<Literal>();
  Register& out = run.registers[instruction.out];
  out.has_nulls = !literal.valid;
  if (!literal.valid) std::memset(out.valid, 0, static_cast<size_t>(run.rows));
  switch (LayoutOf(literal.kind)) {
    case Layout::kBool:
      std::fill_n(Out<Bool>(instruction, run), run.rows, static_cast<Bool>(literal.integer));
      break;
    case Layout::kInt64:
      std::fill_n(Out<int64_t>(instruction, run), run.rows, literal.integer);
      break;
    case Layout::kDouble:
      std::fill_n(Out<double>(instruction, run), run.rows, literal.number);
      break;
    case Layout::kText:
      std::fill_n(Out<std::string_view>(instruction, run), run.rows,
                  std::string_view(literal.text));
      break;
    case Layout::kNested:  // There are no such constants.
      break;
  }
}

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int64";
    case Kind::kDouble:
      return "double";
    case Kind::kString:
      return "string";
    case Kind::kTimestamp:
      return "timestamp";
    case Kind::kDate:
      return "date";
    case Kind::kFloatList:
    case Kind::kDoubleList:
      return "a list of numbers";
    case Kind::kMap:
      return "a map";
    case Kind::kStruct:
      return "a struct";
    case Kind::kOpaque:
      return "a type that expressions only test for null";
  }
  return "?";
}

std::shared_ptr<arrow::DataType> ArrowTypeOf(const ValueType& type) {
  switch (type.kind) {
    case Kind::kNull:
    case Kind::kFloatList:
    case Kind::kDoubleList:
    case Kind::kMap:
    case Kind::kStruct:
    case Kind::kOpaque:
      return arrow::null();
    case Kind::kBool:
      return arrow::boolean();
    case Kind::kInt:
      return arrow::int64();
    case Kind::kDouble:
      return arrow::float64();
    case Kind::kString:
      return arrow::utf8();
    case Kind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, type.zone);
    case Kind::kDate:
      return arrow::date32();
  }
  return arrow::null();
}

Binder::Binder(const std::string& text) : text_(text) {}

Status Binder::Error(std::string_view message) const {
  return Status::TypeError(Located(text_, node_ == nullptr ? 0 : node_->position, message));
}

Status Binder::Mismatch(std::string_view expected, const Value& got) const {
  return Error("'" + node_->name + "' takes " + std::string(expected) + ", not " +
               std::string(KindName(got.type.kind)));
}

Value Binder::Constant(const ValueType& type, Literal literal) {
  literal.kind = type.kind;
  Definition definition;
  definition.layout = LayoutOf(type.kind);
  definition.instruction.kernel = Fill;
  definition.instruction.payload = Own(literal);
  definition.known = std::move(literal);
  values_.push_back(std::move(definition));
  return {type, static_cast<int32_t>(values_.size() - 1)};
}

const Literal* Binder::KnownValue(const Value& value) const {
  const auto& known = values_[static_cast<size_t>(value.id)].known;
  return known ? &*known : nullptr;
}

Result<Value> Binder::Column(int index, const std::shared_ptr<arrow::DataType>& type) {
  auto reader = ReaderOf(*type);
  if (!reader.ok()) return Error("column '" + node_->name + "': " + reader.status().message());
  size_t source = 0;
  while (source < program_.columns.size() && program_.columns[source] != index) ++source;
  if (source == program_.columns.size()) {
    program_.columns.push_back(index);
    program_.column_types.push_back(type);
  }
  const arrow::DataType* owned = program_.column_types[source].get();
  if (reader->second.nested != nullptr) reader->second.nested = owned;
  const Value value =
      Emit(reader->first, reader->second, {}, static_cast<int64_t>(source), owned);
  values_[static_cast<size_t>(value.id)].column = static_cast<int64_t>(source);
  return value;
}

Value Binder::Emit(Kernel kernel, const ValueType& type, std::initializer_list<Value> inputs,
                   int64_t number, const void* payload) {
  Definition definition;
  definition.layout = LayoutOf(type.kind);
  definition.instruction.kernel = kernel;
  definition.instruction.number = number;
  definition.instruction.payload = payload;
  bool known = inputs.size() > 0;
  int k = 0;
  for (const Value& input : inputs) {
    definition.instruction.in[k++] = input.id;
    known = known && KnownValue(input) != nullptr;
  }
  if (known) return Constant(type, Compute(definition, type.kind));
  values_.push_back(std::move(definition));
  return {type, static_cast<int32_t>(values_.size() - 1)};
}

/// Runs one instruction on one row of known inputs, with the kernels that rows will run through.
Literal Binder::Compute(const Definition& definition, Kind kind) {
  union Slot {
    Slot() : integer(0) {}
    int64_t integer;
    double number;
    std::string_view text;
  };
  constexpr int kOut = kMostInputs;
  Slot slots[kOut + 1];
  uint8_t valid[kOut + 1] = {1, 1, 1, 1, 1};
  Register registers[kOut + 1];
  for (int k = 0; k <= kOut; ++k) {
    registers[k] = {&slots[k], &valid[k], false, &slots[k]};
  }
  Arena arena;
  Run run{registers, 1, 0, nullptr, &arena};
  Instruction instruction = definition.instruction;
  for (int k = 0; k < kMostInputs && instruction.in[k] >= 0; ++k) {
    const Definition& input = values_[static_cast<size_t>(instruction.in[k])];
    Instruction fill = input.instruction;
    fill.out = k;
    fill.kernel(fill, run);
    instruction.in[k] = k;
  }
  instruction.out = kOut;
  instruction.kernel(instruction, run);

  Literal result{.kind = kind};
  result.valid = !registers[kOut].has_nulls || valid[kOut] != 0;
  if (!result.valid) return result;
  switch (LayoutOf(kind)) {
    case Layout::kBool:
      result.integer = *static_cast<const Bool*>(registers[kOut].values);
      break;
    case Layout::kInt64:
      result.integer = *static_cast<const int64_t*>(registers[kOut].values);
      break;
    case Layout::kDouble:
      result.number = *static_cast<const double*>(registers[kOut].values);
      break;
    case Layout::kText:
      result.text = *static_cast<const std::string_view*>(registers[kOut].values);
      break;
    case Layout::kNested:  // No function gives one.
      break;
  }
  return result;
}

Result<Literal> Binder::ParseTimeLiteral(const Literal& text) const {
  auto micros = ParseTime(text.text);
  if (!micros.ok()) {
    return Status::Invalid(Located(text_, node_->position, micros.status().message()));
  }
  return Literal{.kind = Kind::kTimestamp, .valid = true, .integer = *micros};
}

Result<Value> Binder::As(const Value& value, const ValueType& type) {
  if (value.type.kind == type.kind) return Value{type, value.id};
  if (value.is(Kind::kNull)) return Null(type);
  if (value.is(Kind::kInt) && type.kind == Kind::kDouble) {
    return Emit(IntToDouble, type, {value});
  }
  if (value.is(Kind::kDate) && type.kind == Kind::kTimestamp) {
    return Emit(DateToTimestamp, type, {value});
  }
  const Literal* known = KnownValue(value);
  if (value.is(Kind::kString) && known != nullptr &&
      (type.kind == Kind::kTimestamp || type.kind == Kind::kDate)) {
    if (!known->valid) return Null(type);
    ARROW_ASSIGN_OR_RAISE(Literal time, ParseTimeLiteral(*known));
    if (type.kind == Kind::kDate) {
      time.integer = time.integer / kDayMicros - (time.integer % kDayMicros < 0 ? 1 : 0);
    }
    return Constant(type, time);
  }
  return Mismatch(KindName(type.kind), value);
}

Result<Value> Binder::AsDouble(const Value& value) {
  if (!value.is_number() && !value.is(Kind::kNull)) return Mismatch("a number", value);
  return As(value, {Kind::kDouble, ""});
}

Result<Value> Binder::AsTimestamp(const Value& value) {
  if (value.is(Kind::kTimestamp)) return value;
  const bool text = value.is(Kind::kString) && KnownValue(value) != nullptr;
  if (!value.is(Kind::kDate) && !value.is(Kind::kNull) && !text) {
    return Mismatch("a timestamp or date", value);
  }
  return As(value, {Kind::kTimestamp, ""});
}

Result<Value> Binder::AsKind(const Value& value, Kind kind, std::string_view expected) {
  if (!value.is(kind) && !value.is(Kind::kNull)) return Mismatch(expected, value);
  return As(value, {kind, ""});
}

Result<ValueType> Binder::Common(std::span<const Value> values) {
  ValueType common;
  bool time_text = false;  // a text in quotes that may write a time
  bool has_time_of_day = false;
  const Value* text = nullptr;
  for (const Value& value : values) {
    const Kind kind = value.type.kind;
    if (kind == Kind::kOpaque || IsNested(kind)) return Mismatch("single values", value);
    if (kind == Kind::kNull) continue;
    if (kind == Kind::kString && KnownValue(value) != nullptr) {
      time_text = true;
      text = &value;
      continue;
    }
    if (common.kind == Kind::kNull) {
      common = value.type;
    } else if (common.kind == kind) {
      if (common.zone.empty()) common.zone = value.type.zone;
    } else if ((common.kind == Kind::kInt && kind == Kind::kDouble) ||
               (common.kind == Kind::kDouble && kind == Kind::kInt)) {
      common.kind = Kind::kDouble;
    } else if ((common.kind == Kind::kDate && kind == Kind::kTimestamp) ||
               (common.kind == Kind::kTimestamp && kind == Kind::kDate)) {
      if (kind == Kind::kTimestamp) common.zone = value.type.zone;
      common.kind = Kind::kTimestamp;
    } else {
      return Error(
          "'" + node_->name + "' needs values of one type, and got " +
          std::string(KindName(common.kind)) + " and " + std::string(KindName(kind)) +
          "; convert one, such as with " +
          (kind == Kind::kString || common.kind == Kind::kString ? "string(x)" : "int(x)"));
    }
  }
  if (!time_text) return common;
  if (common.kind == Kind::kNull || common.kind == Kind::kString)
    return ValueType{Kind::kString, ""};
  if (common.kind == Kind::kTimestamp) return common;
  if (common.kind != Kind::kDate) {
    return Error("'" + node_->name + "' needs values of one type, and got " +
                 std::string(KindName(common.kind)) + " and a text ('" +
                 ShortText(KnownValue(*text)->text, 40) + "')");
  }
  // Dates stay dates beside texts that are dates.
  for (const Value& value : values) {
    const Literal* known = KnownValue(value);
    if (!value.is(Kind::kString) || known == nullptr || !known->valid) continue;
    ARROW_ASSIGN_OR_RAISE(const Literal time, ParseTimeLiteral(*known));
    has_time_of_day = has_time_of_day || time.integer % kDayMicros != 0;
  }
  if (has_time_of_day) common.kind = Kind::kTimestamp;
  return common;
}

Result<ValueType> Binder::Unify(std::span<Value> values) {
  ARROW_ASSIGN_OR_RAISE(ValueType common, Common(values));
  for (Value& value : values) {
    ARROW_ASSIGN_OR_RAISE(value, As(value, common));
  }
  return common;
}

Program Binder::Finish(std::span<const Value> results) {
  // Backwards: what the results need, and where each value is last used.
  const auto count = values_.size();
  std::vector<int32_t> last_use(count, -1);
  std::vector<std::vector<int32_t>> handed(count);  // the results that a value is
  for (size_t k = 0; k < results.size(); ++k) {
    const auto id = static_cast<size_t>(results[k].id);
    last_use[id] = results[k].id;
    handed[id].push_back(static_cast<int32_t>(k));
    program_.results.push_back({results[k].type.kind, ArrowTypeOf(results[k].type)});
  }
  for (size_t v = count; v-- > 0;) {
    if (last_use[v] < 0) continue;
    for (int32_t in : values_[v].instruction.in) {
      if (in >= 0) {
        last_use[static_cast<size_t>(in)] =
            std::max(last_use[static_cast<size_t>(in)], static_cast<int32_t>(v));
      }
    }
  }
  // Forwards: registers, each free again after its value's last use.
  std::vector<int32_t> register_of(count, -1);
  std::vector<int64_t> read;  // the column that each instruction reads, or −1
  std::vector<int32_t> free_wide, free_narrow;
  const auto release = [&](size_t v) {
    (IsWide(values_[v].layout) ? free_wide : free_narrow).push_back(register_of[v]);
  };
  for (size_t v = 0; v < count; ++v) {
    if (last_use[v] < 0) continue;
    const Definition& definition = values_[v];
    auto& free = IsWide(definition.layout) ? free_wide : free_narrow;
    if (free.empty()) {
      free.push_back(static_cast<int32_t>(program_.slots.size()));
      program_.slots.push_back(definition.layout);
    }
    register_of[v] = free.back();
    free.pop_back();
    Instruction instruction = definition.instruction;
    instruction.out = register_of[v];
    for (int k = 0; k < kMostInputs; ++k) {
      const int32_t in = definition.instruction.in[k];
      if (in < 0) continue;
      instruction.in[k] = register_of[static_cast<size_t>(in)];
      bool released = false;  // once, should an operator take one value twice
      for (int j = 0; j < k; ++j) released = released || definition.instruction.in[j] == in;
      if (!released && last_use[static_cast<size_t>(in)] == static_cast<int32_t>(v)) {
        release(static_cast<size_t>(in));
      }
    }
    program_.instructions.push_back(instruction);
    read.push_back(definition.column);
    for (int32_t k : handed[v]) {
      Instruction hand;
      hand.in[0] = register_of[v];
      hand.number = k;
      program_.instructions.push_back(hand);
      read.push_back(-1);
    }
    if (last_use[v] == static_cast<int32_t>(v)) release(v);
  }
  AddRowInstructions(read);
  return std::move(program_);
}

void Binder::AddRowInstructions(const std::vector<int64_t>& columns) {
  program_.row_instructions = program_.instructions;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] < 0) continue;
    const auto column = static_cast<size_t>(columns[i]);
    Instruction& instruction = program_.row_instructions[i];
    instruction.kernel = CellReader(*program_.column_types[column]);
    instruction.number = program_.columns[column];
    if (instruction.kernel == nullptr) {
      program_.row_instructions.clear();
      return;
    }
  }
}

}  // namespace tercet::expr
