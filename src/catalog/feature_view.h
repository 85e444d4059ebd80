#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "catalog/noun.h"
#include "catalog/python_function.h"

namespace tercet {

enum class JoinType { kLeft, kInner };

/// Features selected of one feature group, and how its rows are found from the left row.
/// JSON: {"group": "weather", "version": 1, "features": ["temp"], "on": {"origin": "origin"},
/// "prefix": "origin_", "type": "left", "ttl_us": null, "filter": null}, and where they are set
/// "lag_us", "horizon_us", "from" and "through".
struct GroupSelection {
  Ref group;
  std::vector<std::string> features;  ///< empty: all columns but key and event time
  /// Left column → primary key column of this group, covering the whole primary key. Empty for the
  /// root, and where the left side has columns of the primary key's own names. The left side is the
  /// root group or spine and the request's parameters, or columns of the join that `from` names.
  std::vector<std::pair<std::string, std::string>> on;
  std::string prefix;                 ///< put before each of its features' names in the view
  JoinType type = JoinType::kLeft;
  std::optional<int64_t> ttl_us;      ///< overrides the group's TTL in this view
  /// A row counts only from its event time + lag on: what it takes until the value is known where
  /// predictions are made. Its age, for the TTL, is counted from the event time all the same.
  int64_t lag_us = 0;
  /// Of labels: the row is read as of the left row's time + horizon.
  std::optional<int64_t> horizon_us;
  /// The name() of the join whose columns this one's keys are; empty: the root.
  std::string from;
  /// None of its features are in the view: it only gives keys to the joins that come from it.
  bool through = false;

  /// What `from` of other joins calls this one: prefix + group ("origin_weather").
  std::string name() const { return prefix + group.name; }
};

/// One transformation of view columns. JSON: {"kind": "standard_scaler", "columns": ["temp"],
/// "options": {}}. Kinds and options: compute/transformation.h.
struct TransformationDefinition {
  std::string kind;
  std::vector<std::string> columns;
  json::object options;
  json::object ToJson() const;
  static Result<TransformationDefinition> FromJson(const json::object& object);
};

/// The contract between training and inference.
///
/// Rows: those of the root group (all its event times), or of a spine given at reading. With a
/// spine, a root feature that the spine has as a column is taken from it; the others are looked
/// up in the root group by its primary key, as of the spine row's event time. Join keys come from
/// any column of the root group or spine.
struct FeatureViewDefinition {
  std::string name;
  int64_t version = 1;
  GroupSelection root;
  std::vector<GroupSelection> joins;
  /// A boolean expression over view columns; empty: all rows. Rows where it is false or null are
  /// left out of training and batch; online it is ignored.
  std::string filter;
  /// Name → expression, in order; may use view columns, "group.feature", `event_time`, request
  /// parameters and on-demand features before it.
  std::vector<std::pair<std::string, std::string>> on_demand;
  /// What on-demand features may call beside the functions that expressions have.
  std::vector<PythonFunction> functions;
  /// Name → type text of values that a request (or the spine) brings.
  std::vector<std::pair<std::string, std::string>> request_parameters;
  std::vector<std::string> labels;    ///< view columns never given to a model, nor needed online
  std::vector<std::string> helper_columns;  ///< view columns returned beside the features
  std::vector<TransformationDefinition> transformations;
  std::string description;
  std::map<std::string, std::string> tags;

  Ref ref() const { return {name, version}; }
  json::object ToJson() const;
  static Result<FeatureViewDefinition> FromJson(const json::object& object);
};

}  // namespace tercet
