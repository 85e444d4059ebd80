#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// What depends on something: what breaks when it goes.
struct ImpactReport {
  struct Item {
    std::string kind;  ///< "feature_view", …
    std::string name;  ///< "delay@1"
    /// One shortest way from what goes to this: "weather@1.temp → delay@1.temp → delay@1@1".
    std::string path;
    /// Its values or its rows come of what goes. False where it only needs a view that no longer
    /// resolves.
    bool uses = true;
    /// Requests are answered with it now: a deployment, the releases that it sends requests to, and
    /// the model, dataset and view of those.
    bool served = false;
  };
  struct Refusal {
    std::string operation;  ///< "drop feature group 'weather@1'"
    std::string because;    ///< "needed by feature view 'delay@1', …"
  };
  std::string object;  ///< id of the lineage node
  std::vector<Item> broken;      ///< in the order of distance
  std::vector<Refusal> refused;  ///< what Tercet does not do while they are there

  json::object ToJson() const;
  static Result<ImpactReport> FromJson(const json::object& object);
};

}  // namespace tercet
