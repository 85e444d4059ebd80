#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "base/json.h"
#include "catalog/noun.h"
#include "catalog/serving.h"
#include "catalog/trial.h"

namespace tercet {

/// Columns a model takes and gives, in order. JSON: {"inputs": […], "outputs": […]} as
/// SchemaToJson writes them. A schema that is null was not given; an empty list reads as null.
struct Signature {
  std::shared_ptr<arrow::Schema> inputs;
  std::shared_ptr<arrow::Schema> outputs;
  json::object ToJson() const;
  static Result<Signature> FromJson(const json::object& object);
};

/// Which evaluator reads the model's files.
enum class ModelFormat {
  kXgboost,
  kLightgbm,
  kOnnx,
  kPython,
  kComposite,  ///< other models in a row or together: runtime/composite_definition.h
};
/// "xgboost", "lightgbm", "onnx", "python", "composite".
std::string_view ModelFormatName(ModelFormat format);
Result<ModelFormat> ModelFormatFromName(std::string_view name);

struct ModelDefinition {
  std::string name;
  int64_t version = 0;  ///< 0 when registering: the next free one
  ModelFormat format = ModelFormat::kOnnx;
  Signature signature;
  json::object metrics;
  std::string description;
  std::map<std::string, std::string> tags;
  std::optional<Ref> view;                       ///< the view that its inputs are features of
  std::optional<Ref> training_dataset;           ///< "delay@1" version 3
  std::string run_id;
  std::map<std::string, std::string> files;      ///< relative path → sha256
  /// What the model answered when it was registered, proved again before it gets traffic:
  /// {"inputs", "outputs"}, each an Arrow stream in base64. Empty when it could not be asked.
  json::object warm_up;
  std::vector<Ref> parts;  ///< of a composite, in its order; they can't be dropped while it exists
  Ref ref() const { return {name, version}; }
  json::object ToJson() const;
  static Result<ModelDefinition> FromJson(const json::object& object);
};

/// One immutable object of everything that an answer depends on; its id is the SHA-256 of its
/// canonical JSON, so equal releases are one.
struct Release {
  std::string id;
  Ref model;
  /// Path → sha256; a composite's parts' files too, as "fraud@3/model.json".
  std::map<std::string, std::string> model_files;
  Ref view;
  json::object view_definition;
  std::optional<Ref> training_dataset;
  json::array fitted_transformations;
  std::vector<std::string> feature_groups;          ///< "weather@1", sorted
  Signature signature;
  int64_t number = 0;  ///< counts the releases of a deployment from 1; not part of the id
  json::object ToJson() const;
  static Result<Release> FromJson(const json::object& object);
  /// The content address of all members but id and number.
  std::string ContentAddress() const;
};

/// What differs between two releases: {"member", "before", "after"} a leaf of their JSON, the
/// member as a path ("view_definition.filter"). Numbers and ids are left out.
json::array DiffOf(const Release& before, const Release& after);

/// A name that serves a release. `history` is every switch, oldest first.
struct Deployment {
  struct Switch {
    std::string release_id;
    int64_t number = 0;        ///< release number within this deployment
    int64_t switched_us = 0;
    /// "deploy", "upgrade", "downgrade", "rollback", "promote" (a canary that passed); "traffic",
    /// "canary", "abort" (a canary) and "experiment" when the release served stayed and the traffic
    /// beside it changed.
    std::string action;
    std::string by;            ///< user name of the process or token
    std::string reason;        ///< of what a canary decided: the figures it was judged by
  };
  std::string name;
  std::string release_id;
  std::vector<Switch> history;
  std::string description;
  ServingPolicy policy;
  Traffic traffic;  ///< cleared by every switch
  std::optional<Canary> canary;          ///< the last one, also when it has ended
  std::optional<Experiment> experiment;  ///< the last one, also when it has ended
  /// The number of the release that is served; 0 before there is one.
  int64_t number() const;
  json::object ToJson() const;
  static Result<Deployment> FromJson(const json::object& object);
};

}  // namespace tercet
