#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// Frames to and from one server over Arrow Flight. The connection is made at the first call.
/// Thread-safe.
class FlightLink {
 public:
  FlightLink(std::string host, int port, std::string token);
  ~FlightLink();

  /// A stream of batches. Errors after its first batch come from the reader.
  Result<RecordBatchReader> Get(const json::object& command);

  /// Sends rows, answers what the server says of them. When `rows` fails, the server does nothing.
  Result<json::object> Put(json::object command, const RecordBatchReader& rows);

  /// One batch of an exchange's answer with the JSON beside it; null for a message alone.
  using OnChunk =
      std::function<Status(const std::shared_ptr<arrow::RecordBatch>& batch, json::object message)>;
  /// Sends `spine` (may be null) and hands over what comes back; {"progress": …} goes to
  /// `progress`.
  Status Exchange(json::object command, const Frame& spine, const Progress& progress,
                  const OnChunk& on_chunk);
  /// The same of rows that come piece by piece (may be null).
  Status Exchange(json::object command, const RecordBatchReader& rows, const Progress& progress,
                  const OnChunk& on_chunk);

 private:
  class Client;
  Result<std::shared_ptr<Client>> Connected();

  const std::string host_;
  const int port_;
  const std::string token_;
  std::mutex mutex_;
  std::shared_ptr<Client> client_;  // guarded by mutex_
};

}  // namespace tercet
