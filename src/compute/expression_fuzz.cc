#include <cstddef>
#include <cstdint>
#include <string_view>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "compute/expression.h"

/// Any bytes: if they parse and compile, two rows are evaluated, and one row by itself must give
/// the same. Nothing may crash, and a result must be a valid array.
namespace {

std::shared_ptr<arrow::RecordBatch> TwoRows() {
  const auto column = [](const arrow::Scalar& scalar) {
    return *arrow::Concatenate(
        {*arrow::MakeArrayFromScalar(scalar, 1), *arrow::MakeArrayOfNull(scalar.type, 1)});
  };
  const arrow::ArrayVector columns = {
      column(arrow::Int64Scalar(INT64_MIN)),
      column(arrow::DoubleScalar(-0.5)),
      column(arrow::BooleanScalar(true)),
      column(arrow::StringScalar("\xC3\x86r%_")),
      column(arrow::TimestampScalar(INT64_MAX, arrow::timestamp(arrow::TimeUnit::MICRO))),
      column(arrow::Date32Scalar(INT32_MIN)),
      *arrow::MakeArrayOfNull(arrow::list(arrow::int8()), 2),
      *arrow::json::ArrayFromJSONString(arrow::list(arrow::float32()), "[[1, -0.5], [null]]"),
      *arrow::json::ArrayFromJSONString(arrow::map(arrow::utf8(), arrow::int8()),
                                        R"([[["a", 1]], null])"),
      *arrow::json::ArrayFromJSONString(
          arrow::struct_({arrow::field("i", arrow::int8()), arrow::field("m", arrow::map(
              arrow::utf8(), arrow::struct_({arrow::field("s", arrow::utf8())})))}),
          R"([[1, [["a", ["b"]], ["c", null]]], null])")};
  const char* names[] = {"i", "x", "b", "s", "t", "d", "l", "v", "m", "r"};
  arrow::FieldVector fields;
  for (size_t k = 0; k < columns.size(); ++k) {
    fields.push_back(arrow::field(names[k], columns[k]->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 2, columns);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<arrow::RecordBatch> rows = TwoRows();
  const auto parsed =
      tercet::Expression::Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed.ok()) return 0;
  const auto expression = parsed->WithMembers(
      [](const std::string& name) { return rows->schema()->GetFieldIndex(name) >= 0; });
  const auto compiled = tercet::CompiledExpression::Compile(expression, *rows->schema());
  if (!compiled.ok()) return 0;
  const auto whole = (*compiled)->Evaluate(*rows);
  const auto one = (*compiled)->Evaluate(*rows->Slice(1, 1));
  if (!whole.ok() || !one.ok()) return 0;
  const auto options = arrow::EqualOptions().nans_equal(true);
  if (!(*whole)->ValidateFull().ok() || !(*whole)->Slice(1)->Equals(**one, options)) {
    __builtin_trap();
  }
  return 0;
}
