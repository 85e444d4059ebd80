#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/array/array_base.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include "source/field_id.h"
#include "source/iceberg_row_reader.h"

/// No file crashes the reader, and the columns of each batch are valid and of its length.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tercet::FieldOfId;
  static const auto wanted = arrow::schema(
      {FieldOfId(1, "c1", arrow::utf8()), FieldOfId(2, "c2", arrow::int64()),
       FieldOfId(3, "c3", arrow::timestamp(arrow::TimeUnit::MICRO)),
       FieldOfId(4, "c4", arrow::decimal128(10, 2)),
       FieldOfId(5, "c5", arrow::list(arrow::struct_({FieldOfId(6, "x", arrow::float64())}))),
       FieldOfId(7, "c7", arrow::map(arrow::int32(), arrow::binary()))});
  auto bytes = std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(data, static_cast<int64_t>(size)));
  auto reader =
      tercet::IcebergRowReader::OpenAvro(std::move(bytes), wanted, {{"a", 1}, {"n", 2}});
  if (!reader.ok()) return 0;
  constexpr int kMostBatches = 64;  // of a small file that says much of nothing
  for (int i = 0; i < kMostBatches; ++i) {
    arrow::ArrayVector columns;
    const auto count = (*reader)->Next(&columns);
    if (!count.ok() || *count == 0) return 0;
    for (const auto& column : columns) {
      // Texts are as their writer has them, so that only their places are looked at.
      if (column->length() != *count || !column->Validate().ok()) std::abort();
    }
  }
  return 0;
}
