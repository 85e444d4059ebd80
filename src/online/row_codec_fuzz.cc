// No bytes crash the readers of stored rows, keys' values and messages between processes.
#include <cstddef>
#include <cstdint>

#include <arrow/api.h>

#include "online/group_state.h"
#include "online/key_rows.h"
#include "online/owner_message.h"
#include "online/row_projection.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet;
  static const auto schema = arrow::schema(
      {arrow::field("a", arrow::float64()), arrow::field("b", arrow::boolean()),
       arrow::field("c", arrow::utf8()), arrow::field("d", arrow::list(arrow::int64())),
       arrow::field("e", arrow::list(arrow::utf8())),
       arrow::field("f", arrow::list(arrow::boolean())),
       arrow::field("g", arrow::fixed_size_list(arrow::float32(), 2)),
       arrow::field("h", arrow::utf8_view()), arrow::field("i", arrow::decimal128(20, 2)),
       arrow::field("j", arrow::struct_({arrow::field("x", arrow::int16()),
                                         arrow::field("y", arrow::list(arrow::utf8()))})),
       arrow::field("k", arrow::map(arrow::utf8(), arrow::list(arrow::boolean()))),
       arrow::field("l", arrow::list(arrow::struct_(
                             {arrow::field("m", arrow::map(arrow::int8(), arrow::binary())),
                              arrow::field("n", arrow::fixed_size_list(arrow::int32(), 2))}))),
       arrow::field("o",
                    arrow::large_list(arrow::fixed_size_list(arrow::list(arrow::int8()), 3)))});
  static const auto layout = RowLayout::Make(schema).ValueOrDie();
  static const auto projection =
      RowProjection::Make({layout}, schema->field_names(), "fuzz").ValueOrDie();

  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const StoredRow rows[] = {{.bytes = bytes, .layout = 0}, {}, {.bytes = bytes, .layout = 0}};
  const auto batch = projection->Gather(rows);
  if (batch.ok() && !(*batch)->Validate().ok()) __builtin_trap();

  const KeyLookup lookup = FindAsOf(bytes, 0);
  if (lookup.answer == KeyLookup::kFound) {
    const StoredRow found[] = {{.bytes = lookup.row.bytes, .layout = 0}};
    (void)projection->Gather(found);
  }
  if (auto parsed = KeyRows::Parse(bytes); parsed.ok()) {
    std::string again;
    parsed->AppendTo(&again);
    if (again != bytes) __builtin_trap();
  }
  (void)GroupState::FromBytes(bytes);
  if (const auto message = OwnerMessage::FromBytes(std::string(bytes)); message.ok()) {
    (void)StatusFromJson(message->header);
    (void)RequestsFromMessage(*message);
    (void)AnswersFromMessage(*message);
  }
  return 0;
}
