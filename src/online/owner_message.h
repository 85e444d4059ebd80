#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include "base/json.h"
#include "catalog/online_rows.h"

namespace tercet {

/// What goes between the owner of the online store and other processes, one message a frame:
///
///     u32 size of the header, the header (JSON), then each body: u64 size, its bytes
///
/// A request's header has "call" and its arguments; an answer's has "code" and "message" of a
/// Status, and its results. Bodies are Arrow IPC streams of one batch.
struct OwnerMessage {
  json::object header;
  std::vector<std::shared_ptr<arrow::Buffer>> bodies;

  std::string ToBytes() const;
  /// IOError when malformed.
  static Result<OwnerMessage> FromBytes(std::string frame);
};

/// The header of an answer that is only a status; and back.
json::object StatusToJson(const Status& status);
Status StatusFromJson(const json::object& header);

/// Read's arguments and results as messages.
Result<OwnerMessage> ToMessage(const std::vector<RowsRequest>& requests);
Result<std::vector<RowsRequest>> RequestsFromMessage(const OwnerMessage& message);
Result<OwnerMessage> ToMessage(const std::vector<RowsAnswer>& answers);
Result<std::vector<RowsAnswer>> AnswersFromMessage(const OwnerMessage& message);

}  // namespace tercet
