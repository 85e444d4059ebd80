#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Which logged requests of a deployment to ask again.
struct VerifyRequest {
  std::optional<int64_t> start_us, end_us;  ///< start ≤ event time of the request < end
  int64_t limit = 100'000;                  ///< rows, the newest ones; 0: all
  json::object ToJson() const;
  static Result<VerifyRequest> FromJson(const json::object& object);
};

/// What differs between the online answers that a log holds and what the offline store says.
struct Verification {
  /// One feature, or the row that a group was read at ("weather@1"), of one logged row.
  struct Difference {
    std::string request_id;
    int64_t event_time_us = 0;
    std::string feature;
    std::string online, offline;  ///< values as text
  };
  /// A logged row that can't be asked again.
  struct Unreadable {
    std::string request_id;
    int64_t event_time_us = 0;
    std::string because;  ///< "feature group 'weather@1' has no commit 3 any more: …"
  };
  static constexpr size_t kListed = 1000;
  static constexpr size_t kReasons = 100;  ///< rows of others are counted as "other reasons"

  int64_t rows = 0;         ///< that were compared
  int64_t unavailable = 0;  ///< not compared: online said that it could not answer
  int64_t unreadable = 0;   ///< not compared: what they read is no longer kept, or never was
  std::map<std::string, int64_t> unreadable_because;  ///< such rows by why; at most kReasons
  std::vector<Unreadable> unreadable_rows;            ///< the first kListed of them
  int64_t differences = 0;                    ///< values
  std::map<std::string, int64_t> by_feature;  ///< differences
  std::vector<Difference> listed;             ///< the first kListed

  /// Counts and lists a row that can't be asked again.
  void AddUnreadable(std::string request_id, int64_t event_time_us, const std::string& because);

  /// Zero is the only pass, and what could not be read again is not proved.
  bool passed() const { return differences == 0 && unreadable == 0; }
  json::object ToJson() const;
  static Result<Verification> FromJson(const json::object& object);
};

}  // namespace tercet
