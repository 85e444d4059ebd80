#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// A file of slow requests, a JSON object a line. Several processes may append to it. At most a
/// hundred lines a second are written, since a line more for each of many slow requests would be
/// slow too; the next line tells how many were left out ("left_out"). Beyond 16 MiB the file is
/// renamed with ".1" behind its name, in place of an older one. Thread-safe.
class SlowLog {
 public:
  explicit SlowLog(std::string path) : path_(std::move(path)) {}

  /// `now_us`: by the clock. An error of the disk is returned once, until a line is written again.
  Status Append(json::object line, int64_t now_us);
  const std::string& path() const { return path_; }

 private:
  Status Write(const std::string& line);

  const std::string path_;
  std::mutex mutex_;
  int64_t second_ = 0;    ///< guarded by mutex_; in which `lines_` were written
  int64_t lines_ = 0;     ///< guarded by mutex_
  int64_t left_out_ = 0;  ///< guarded by mutex_
  bool failing_ = false;  ///< guarded by mutex_
};

}  // namespace tercet
