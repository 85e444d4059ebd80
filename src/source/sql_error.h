#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "source/duckdb_library.h"

namespace tercet {

/// DuckDB's message ("Catalog Error: Table with name …") as an error of ours that shows the query.
Status SqlError(const char* message, const std::string& query);

/// Adds the query to an error's message, cut to what a person reads.
Status WithQuery(const Status& status, const std::string& query);

/// Interrupts what a connection runs after a time. Destroyed before the connection.
class SqlTimeLimit {
 public:
  SqlTimeLimit(const DuckDbLibrary& duck, duckdb_connection connection,
               std::optional<int64_t> time_us);
  ~SqlTimeLimit();

  /// The error as it is, or Cancelled, naming the limit, when it was reached.
  Status Explain(const Status& status);

 private:
  const std::optional<int64_t> time_us_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;    // guarded by mutex_
  bool reached_ = false;  // guarded by mutex_
  std::thread watcher_;
};

}  // namespace tercet
