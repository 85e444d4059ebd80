#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "source/avro_rows.h"

/// A schema, a zero, and a record: none crashes the reader, and what it makes is valid.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t zero = text.find('\0');
  if (zero == std::string_view::npos) return 0;
  const auto schema = tercet::ParseJsonObject(text.substr(0, zero));
  if (!schema.ok()) return 0;
  static const auto wanted = arrow::schema(
      {arrow::field("a", arrow::utf8()), arrow::field("n", arrow::int64()),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("money", arrow::decimal128(10, 2)),
       arrow::field("list", arrow::list(arrow::struct_({arrow::field("x", arrow::float64())}))),
       arrow::field("pairs", arrow::map(arrow::utf8(), arrow::binary()))});
  const auto rows = tercet::AvroRows::Make(*schema, wanted);
  if (!rows.ok()) return 0;
  if (!(*rows)->Append(text.substr(zero + 1)).ok()) return 0;
  const auto batch = (*rows)->Finish();
  // Texts are as their writer has them, so that only their places are looked at.
  if (batch.ok() && ((*batch)->num_rows() != 1 || !(*batch)->Validate().ok())) std::abort();
  return 0;
}
