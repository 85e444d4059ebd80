#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/noun.h"

namespace tercet {

/// One execution of a pipeline.
struct Run {
  std::string id;
  std::string name;
  std::string status = "running";  ///< "running", "finished" or "failed"
  int64_t started_us = 0;
  std::optional<int64_t> ended_us;
  std::string error;               ///< why it failed
  json::object parameters;
  json::object metrics;            ///< name → number
  std::vector<std::string> inputs;   ///< "feature_group weather@1 commit 7", in order of use
  std::vector<std::string> outputs;
  std::string code_version;        ///< git commit, with "+changes" when the tree was not clean
  std::string log;                 ///< the last 1 MiB of what the run printed

  json::object ToJson() const;
  static Result<Run> FromJson(const json::object& object);
};

}  // namespace tercet
