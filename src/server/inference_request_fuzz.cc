#include "server/inference_request.h"

#include <arrow/record_batch.h>

#include "base/cell_row.h"
#include "base/parallel.h"

/// The body of an inference request, with the length of its JSON before it in two bytes (65535:
/// no binary tensors, 0: nothing else), is read whole or refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool ready = (tercet::InitializeArrow(), true);
  static const auto known = arrow::schema(
      {arrow::field("s", arrow::utf8()), arrow::field("i", arrow::int32()),
       arrow::field("f", arrow::float64()), arrow::field("b", arrow::boolean()),
       arrow::field("t", arrow::timestamp(arrow::TimeUnit::NANO)),
       arrow::field("d", arrow::date32()), arrow::field("m", arrow::decimal128(10, 2)),
       arrow::field("r", arrow::binary()), arrow::field("h", arrow::float16()),
       arrow::field("l", arrow::list(arrow::float32())),
       arrow::field("v", arrow::fixed_size_list(arrow::float64(), 3)),
       arrow::field("w", arrow::large_list(arrow::utf8()))});
  if (!ready || size < 2) return 0;
  const size_t json_size = data[0] | data[1] << 8;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  static const auto needed = arrow::schema({known->field(2), known->field(2)});
  const auto request =
      json_size == 0 ? tercet::ReadRawRequest(body, *needed)
                     : tercet::ReadInferenceRequest(
                           body, json_size == 65535 ? "" : std::to_string(json_size));
  if (!request.ok()) return 0;
  const auto entities = tercet::EntitiesOf(*request, "deployment 'fuzz'", *needed, *known);
  if (entities.ok() && !(*entities)->ValidateFull().ok()) __builtin_trap();
  // What is read as cells would be read as columns, too.
  std::vector<tercet::Cell> cells;
  std::vector<uint64_t> numbers;
  if (tercet::CellsOf(*request, *needed, *known, 32, &cells, &numbers) &&
      (!entities.ok() || !tercet::BatchOfCells(needed, cells).ok())) {
    __builtin_trap();
  }
  return 0;
}
