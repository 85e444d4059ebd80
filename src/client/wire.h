#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// The one place where platform.h's requests and answers become JSON, read by server and client.
/// Nouns (definitions, commits, runs, …) have ToJson of their own. Readers refuse members that
/// they don't know, with a suggestion. Times are ISO 8601 texts or integer microseconds.

/// A time member; nullopt when it is missing or null.
Result<std::optional<int64_t>> FindTime(const json::object& object, std::string_view key);

/// {"columns": […], "version": 3, "as_of": time, "start": time, "end": time}, all optional.
json::object ToJson(const ReadRequest& request);
Result<ReadRequest> ReadRequestFromJson(const json::object& object);

/// {"mode": "upsert", "idempotency_key": "…", "wait_online": false}, all optional.
json::object ToJson(const InsertRequest& request);
Result<InsertRequest> InsertRequestFromJson(const json::object& object);

/// {"split": {…}, "seed": 7, "start": time, "end": time}; a spine travels as a frame beside it.
json::object ToJson(const TrainingDataRequest& request);
Result<TrainingDataRequest> TrainingDataRequestFromJson(const json::object& object);

/// {"entities": schema, "optional": schema, "features": schema}.
json::object ToJson(const VectorContract& contract);
Result<VectorContract> VectorContractFromJson(const json::object& object);

/// {"entities": schema, "optional": schema, "outputs": schema, "release_id", "release_number",
/// "python_features": names}.
json::object ToJson(const DeploymentContract& contract);
Result<DeploymentContract> DeploymentContractFromJson(const json::object& object);

/// {"arms": [{"model", "percent", "shadow"}], "sticky_key"}.
json::object ToJson(const TrafficRequest& traffic);
Result<TrafficRequest> TrafficRequestFromJson(const json::object& object);

/// Lists: {"items": [definition, …]}.
template <typename Noun>
json::object ItemsToJson(const std::vector<Noun>& nouns) {
  json::array items;
  for (const Noun& noun : nouns) items.push_back(noun.ToJson());
  return {{"items", std::move(items)}};
}
template <typename Noun>
Result<std::vector<Noun>> ItemsFromJson(const json::object& object) {
  ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(object, "items"));
  std::vector<Noun> nouns;
  for (const json::value& item : items) {
    if (!item.is_object()) return Status::Invalid("a list's items must be objects");
    ARROW_ASSIGN_OR_RAISE(nouns.emplace_back(), Noun::FromJson(item.as_object()));
  }
  return nouns;
}

/// What a server says of itself at GET /api/v1.
struct ServerDescription {
  std::string project;  ///< the project directory's last part
  std::string version;  ///< of Tercet
  int64_t flight_port = 0;
  json::object ToJson() const;
  static Result<ServerDescription> FromJson(const json::object& object);
};

}  // namespace tercet
