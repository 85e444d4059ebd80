#include "catalog/training_dataset.h"

#include "catalog/definition_json.h"

namespace tercet {

json::object TrainingDatasetDefinition::ToJson() const {
  json::object object = {
          {"view", view.ToText()},
          {"version", version},
          {"split", split.ToJson()},
          {"seed", seed},
          {"start_us", OrNull(start_us)},
          {"end_us", OrNull(end_us)},
          {"has_spine", has_spine},
          {"spine_file", spine_file},
          {"spine_sha256", spine_sha256},
          {"pins", ToJsonObject(pins)},
          {"fitted_transformations", fitted_transformations},
          {"statistics", statistics},
          {"class_balance", class_balance},
          {"rows", ToJsonObject(rows)},
          {"sha256", ToJsonObject(sha256)},
          {"features", features},
          {"labels", labels}};
  if (known_at) object["known_at"] = true;
  if (!lost.empty()) object["lost"] = lost;
  return object;
}

Result<TrainingDatasetDefinition> TrainingDatasetDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "training dataset", object,
      {"view", "version", "split", "seed", "start_us", "end_us", "has_spine", "spine_file",
       "spine_sha256", "pins", "fitted_transformations", "statistics", "rows", "sha256", "features",
       "labels", "class_balance", "lost", "known_at"}));
  TrainingDatasetDefinition dataset;
  ARROW_ASSIGN_OR_RAISE(const std::string view, GetString(object, "view"));
  ARROW_ASSIGN_OR_RAISE(dataset.view, Ref::Parse(view));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(const json::object split, FindObject(object, "split"));
  ARROW_ASSIGN_OR_RAISE(dataset.split, SplitDefinition::FromJson(split));
  ARROW_ASSIGN_OR_RAISE(const auto seed, FindInt(object, "seed"));
  ARROW_ASSIGN_OR_RAISE(dataset.start_us, FindInt(object, "start_us"));
  ARROW_ASSIGN_OR_RAISE(dataset.end_us, FindInt(object, "end_us"));
  ARROW_ASSIGN_OR_RAISE(const auto has_spine, FindBool(object, "has_spine"));
  ARROW_ASSIGN_OR_RAISE(const auto spine_file, FindString(object, "spine_file"));
  ARROW_ASSIGN_OR_RAISE(const auto spine_sha256, FindString(object, "spine_sha256"));
  ARROW_ASSIGN_OR_RAISE(dataset.pins, FindIntMap(object, "pins"));
  ARROW_ASSIGN_OR_RAISE(dataset.fitted_transformations,
                        FindArray(object, "fitted_transformations"));
  ARROW_ASSIGN_OR_RAISE(dataset.statistics, FindObject(object, "statistics"));
  ARROW_ASSIGN_OR_RAISE(dataset.rows, FindIntMap(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(dataset.sha256, FindStringMap(object, "sha256"));
  ARROW_ASSIGN_OR_RAISE(dataset.features, FindArray(object, "features"));
  ARROW_ASSIGN_OR_RAISE(dataset.labels, FindArray(object, "labels"));
  ARROW_ASSIGN_OR_RAISE(dataset.class_balance, FindObject(object, "class_balance"));
  ARROW_ASSIGN_OR_RAISE(const auto known_at, FindBool(object, "known_at"));
  dataset.known_at = known_at.value_or(false);
  ARROW_ASSIGN_OR_RAISE(const auto lost, FindString(object, "lost"));
  dataset.lost = lost.value_or("");
  dataset.version = version.value_or(0);
  dataset.seed = seed.value_or(0);
  dataset.has_spine = has_spine.value_or(false);
  dataset.spine_file = spine_file.value_or("");
  dataset.spine_sha256 = spine_sha256.value_or("");
  return dataset;
}

}  // namespace tercet
