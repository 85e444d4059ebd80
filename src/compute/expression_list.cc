#include <algorithm>
#include <cmath>

#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>

#include "compute/expression_binder.h"
#include "compute/expression_column.h"
#include "compute/expression_kernel.h"
#include "compute/expression_nested.h"
#include "compute/vector_distance.h"

/// Lists of numbers, such as embeddings: how they are read, and what is computed of them.
namespace tercet::expr {

ElementRange ElementsOf(const arrow::ArrayData& column, int64_t row) {
  switch (column.type->id()) {
    case arrow::Type::FIXED_SIZE_LIST: {
      const int64_t size = static_cast<const arrow::FixedSizeListType&>(*column.type).list_size();
      return {(column.offset + row) * size, size};
    }
    case arrow::Type::LARGE_LIST: {
      const auto* offsets = column.GetValues<int64_t>(1) + row;
      return {offsets[0], offsets[1] - offsets[0]};
    }
    case arrow::Type::LIST_VIEW:
      return {column.GetValues<int32_t>(1)[row], column.GetValues<int32_t>(2)[row]};
    case arrow::Type::LARGE_LIST_VIEW:
      return {column.GetValues<int64_t>(1)[row], column.GetValues<int64_t>(2)[row]};
    default: {  // lists and maps
      const auto* offsets = column.GetValues<int32_t>(1) + row;
      return {offsets[0], offsets[1] - offsets[0]};
    }
  }
}

namespace {

bool HasNulls(const arrow::ArrayData& array, const ElementRange& range) {
  if (array.null_count.load() == 0 || array.buffers[0] == nullptr) return false;
  return arrow::internal::CountSetBits(array.buffers[0]->data(), array.offset + range.begin,
                                       range.count) != range.count;
}

/// Calls `place(child, range)` for the list of each row that has one.
template <typename Place>
void ReadLists(const Instruction& instruction, Run& run, Place&& place) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& column = Source(instruction, run);
  const arrow::ArrayData& child = *column.child_data[0];
  const Register& result = run.registers[instruction.out];
  List* out = Out<List>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = {nullptr, 0};
    if (result.has_nulls && result.valid[i] == 0) continue;
    out[i] = place(child, ElementsOf(column, run.start + i));
  }
}

/// Elements that lie as they are computed with are used where they are.
template <typename T>
void ReadListInPlace(const Instruction& instruction, Run& run) {
  ReadLists(instruction, run, [](const arrow::ArrayData& child, const ElementRange& range) {
    const int64_t count = HasNulls(child, range) ? -1 : range.count;
    return List{child.GetValues<T>(1) + range.begin, count};
  });
}

/// Others become doubles; `payload` is the list's type.
void ReadWidenedList(const Instruction& instruction, Run& run) {
  const auto& type = instruction.Payload<arrow::DataType>();
  const arrow::DataType* element = type.field(0)->type().get();
  // Compiling made sure that there is a reader.
  const auto [reader, of] = ColumnReader(*element).ValueOrDie();
  const bool integers = of.kind == Kind::kInt;
  Elements elements(reader, element, run.arena);
  ReadLists(instruction, run, [&](const arrow::ArrayData& child, const ElementRange& range) {
    const auto count = static_cast<size_t>(range.count);
    const Register& read = elements.Read(child, range.begin, range.count);
    if (read.has_nulls) return List{nullptr, -1};
    auto* doubles = run.arena->TakeArray<double>(count);
    if (integers) {
      std::copy_n(static_cast<const int64_t*>(read.values), count, doubles);
    } else {
      std::copy_n(static_cast<const double*>(read.values), count, doubles);
    }
    return List{doubles, range.count};
  });
}

struct DotProductOf {
  template <typename A, typename B>
  static double Of(const A* a, const B* b, int64_t count) {
    return DotProduct(a, b, count);
  }
};

struct L2DistanceOf {
  template <typename A, typename B>
  static double Of(const A* a, const B* b, int64_t count) {
    return L2Distance(a, b, count);
  }
};

struct CosineSimilarityOf {
  template <typename A, typename B>
  static double Of(const A* a, const B* b, int64_t count) {
    return CosineSimilarity(a, b, count);
  }
};

/// Null where a list is, where an element is, and where the lists differ in length.
template <typename Function, typename A, typename B>
void OfTwoLists(const Instruction& instruction, Run& run) {
  const List* a = In<List>(instruction, run, 0);
  const List* b = In<List>(instruction, run, 1);
  double* out = Out<double>(instruction, run);
  AndValidity(instruction, run, 2);
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = 0;
    valid[i] &= static_cast<uint8_t>(a[i].count >= 0 && a[i].count == b[i].count);
    if (valid[i] == 0) continue;
    out[i] = Function::Of(static_cast<const A*>(a[i].values), static_cast<const B*>(b[i].values),
                          a[i].count);
  }
}

template <typename Function>
Kernel KernelOf(Kind a, Kind b) {
  const bool floats = a == Kind::kFloatList;
  if (b == Kind::kFloatList) {
    return floats ? OfTwoLists<Function, float, float> : OfTwoLists<Function, double, float>;
  }
  return floats ? OfTwoLists<Function, float, double> : OfTwoLists<Function, double, double>;
}

Status CheckList(const Binder& binder, const Value& value) {
  const bool list = value.is(Kind::kFloatList) || value.is(Kind::kDoubleList);
  return list || value.is(Kind::kNull) ? Status::OK()
                                       : binder.Mismatch("lists of numbers", value);
}

template <typename Function>
Result<Value> BindTwoLists(Binder& binder, const Node&, std::span<Value> arguments) {
  for (const Value& argument : arguments) ARROW_RETURN_NOT_OK(CheckList(binder, argument));
  if (arguments[0].is(Kind::kNull) || arguments[1].is(Kind::kNull)) {
    return binder.Null(kDoubleType);
  }
  return binder.Emit(KernelOf<Function>(arguments[0].type.kind, arguments[1].type.kind),
                     kDoubleType, {arguments[0], arguments[1]});
}

/// The length of a vector: the root of its product with itself.
Result<Value> BindNorm(Binder& binder, const Node& node, std::span<Value> arguments) {
  Value twice[] = {arguments[0], arguments[0]};
  ARROW_ASSIGN_OR_RAISE(const Value square, BindTwoLists<DotProductOf>(binder, node, twice));
  return binder.Emit(Map1<double, double, [](double x) { return std::sqrt(x); }>, kDoubleType,
                     {square});
}

constexpr Function kFunctions[] = {
    {"dot_product", 2, 2, BindTwoLists<DotProductOf>},
    {"cosine_similarity", 2, 2, BindTwoLists<CosineSimilarityOf>},
    {"l2_distance", 2, 2, BindTwoLists<L2DistanceOf>},
    {"l2_norm", 1, 1, BindNorm},
};

bool IsList(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::pair<Kernel, ValueType>> ReaderOf(const arrow::DataType& type) {
  using Reader = std::pair<Kernel, ValueType>;
  if (type.id() == arrow::Type::MAP) return Reader(ReadNestedRows, {Kind::kMap, "", &type});
  if (type.id() == arrow::Type::STRUCT) return Reader(ReadNestedRows, {Kind::kStruct, "", &type});
  if (!IsList(type)) return ColumnReader(type);
  const arrow::DataType& element = *type.field(0)->type();
  if (element.id() == arrow::Type::FLOAT) {
    return Reader(ReadListInPlace<float>, {Kind::kFloatList, ""});
  }
  if (element.id() == arrow::Type::DOUBLE) {
    return Reader(ReadListInPlace<double>, {Kind::kDoubleList, ""});
  }
  const auto reader = ColumnReader(element);
  const bool numbers =
      reader.ok() && (reader->second.kind == Kind::kInt || reader->second.kind == Kind::kDouble);
  if (!numbers) return ColumnReader(type);
  return Reader(ReadWidenedList, {Kind::kDoubleList, ""});
}

std::span<const Function> ListFunctions() { return kFunctions; }

}  // namespace tercet::expr
