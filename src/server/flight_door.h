#pragma once

#include <chrono>
#include <memory>

#include "platform/platform.h"
#include "server/access.h"
#include "server/trace.h"

namespace tercet {

/// Arrow Flight on a port of its own: frames in and out, asked for by JSON.
///
/// DoGet, by ticket: {"verb": "read", "group": "weather@1", …ReadRequest}, {"verb": "changes",
/// "group", "since", "until"}, {"verb": "batch", "model": "delay@1", "start", "end"},
/// {"verb": "model_files", "model"}.
/// DoPut, by descriptor: {"verb": "insert", "group", …InsertRequest}, {"verb": "delete", "group",
/// "wait_online"}, {"verb": "register_model", "definition"}; the answer is the metadata message.
/// With "end_marker": true nothing happens unless the metadata message "end" ends the upload.
/// DoExchange, by descriptor, with "spine": true when a frame is sent: {"verb": "training_data",
/// "view", …TrainingDataRequest}, {"verb": "rebuild", "view", "version"}, {"verb": "batch", …},
/// {"verb": "vectors", "view", "event_time", "training_dataset_version"}, {"verb": "predict",
/// "deployment", "event_time"}. Metadata messages tell {"progress": 0.4}.
/// A header "traceparent" is taken as HTTP's is.
class FlightDoor {
 public:
  /// `platform`, `access` and `traces`, which may be null, must outlive it. IOError when the
  /// address is taken.
  static Result<std::unique_ptr<FlightDoor>> Start(const Address& address, Platform* platform,
                                                   const Access* access,
                                                   TraceExporter* traces = nullptr);
  ~FlightDoor();
  int port() const;
  /// Waits for the calls under way, then takes no new one. Cancelled when some had not ended within
  /// `patience`: they still run, and only the destructor waits for them.
  Status Stop(std::chrono::milliseconds patience);

 private:
  class Service;
  explicit FlightDoor(std::unique_ptr<Service> service);
  std::unique_ptr<Service> service_;
  bool stopped_ = false;
};

}  // namespace tercet
