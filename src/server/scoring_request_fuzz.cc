#include "server/scoring_request.h"

#include <arrow/type.h>

#include "base/parallel.h"

/// The body of an invocation, after one byte that says its form, is read whole or refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool ready = (tercet::InitializeArrow(), true);
  static const auto needed = arrow::schema(
      {arrow::field("s", arrow::utf8()), arrow::field("f", arrow::float64())});
  static const auto known = arrow::schema(
      {arrow::field("s", arrow::utf8()), arrow::field("f", arrow::float64()),
       arrow::field("i", arrow::int32()), arrow::field("b", arrow::boolean()),
       arrow::field("t", arrow::timestamp(arrow::TimeUnit::NANO)),
       arrow::field("d", arrow::date32()), arrow::field("m", arrow::decimal128(10, 2))});
  if (!ready || size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> rows = nullptr;
  static const auto numbers = arrow::schema({needed->field(1), needed->field(1)});
  if (data[0] == 255) {
    rows = tercet::RowsOfNpy("fuzz", body, *numbers, *known);
  } else if (data[0] % 3 == 1) {
    rows = tercet::RowsOfCsv("fuzz", body, *needed, *known);
  } else if (data[0] % 3 == 2) {
    rows = tercet::RowsOfJsonLines("fuzz", body, *needed, *known);
  } else {
    rows = tercet::RowsOfInvocation("fuzz", body, *needed, *known);
  }
  if (rows.ok() && !(*rows)->ValidateFull().ok()) __builtin_trap();
  return 0;
}
