#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Where the rows of a prediction log go besides their feature group: to programs that know nothing
/// of Tercet.
struct PredictionSink {
  std::string kind;  ///< "file", "postgres" or "kafka"
  /// A folder; a connection string without a password; brokers, as "one:9092,two:9092".
  std::string location;
  std::string target;  ///< of "postgres" the table, of "kafka" the topic; else empty
  // Of "file" alone:
  std::string format;        ///< "parquet"; empty: JSON lines
  int64_t file_mb = 0;       ///< a file is full at about so much; 0: 64
  int64_t file_seconds = 0;  ///< a file is full at that age; 0: JSON lines never, Parquet at 60

  bool parquet() const { return format == "parquet"; }
  bool operator==(const PredictionSink&) const = default;
  auto operator<=>(const PredictionSink&) const = default;
  /// {"kind", "location"} and what else is not empty or 0.
  json::object ToJson() const;
  /// Checked.
  static Result<PredictionSink> FromJson(const json::object& object);
  /// Invalid for an unknown kind (with a suggestion), what is missing, a password, or a connection
  /// string that names files of the server or anything but where and as whom to connect.
  Status Check() const;
  /// "kafka one:9092 predictions" or "file /srv/p parquet", for messages.
  std::string ToText() const;

 private:
  Status CheckFiles() const;
};

/// What became of the rows that one sink was given by this process.
struct PredictionSinkStatistics {
  std::string sink;        ///< PredictionSink::ToText
  int64_t waiting = 0;     ///< to be written, or to be tried again
  int64_t written = 0;
  int64_t dropped = 0;     ///< since too many waited
  int64_t failed = 0;      ///< refused for good
  int64_t retries = 0;     ///< times that writing was tried again
  std::string last_error;  ///< why the last try failed; empty: none did
  json::object ToJson() const;
  static Result<PredictionSinkStatistics> FromJson(const json::object& object);
};

}  // namespace tercet
