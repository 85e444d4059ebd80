#pragma once

#include <map>
#include <memory>
#include <string>

#include "registry/registry.h"
#include "runtime/predictor.h"

namespace tercet {

/// A model made ready to answer.
struct LoadedModel {
  std::unique_ptr<Predictor> predictor;
  /// Answers the same to the same; predictor classes may answer by the clock or the machine.
  bool repeats = true;
};

/// Loads a model whose files are in `directory`: LoadPredictor, and composites with their parts,
/// which the registry has. `model.signature` may be empty for a composite: then it is that of its
/// parts, as in LoadPredictor's errors otherwise.
Result<LoadedModel> LoadModel(const ModelDefinition& model, const std::string& directory,
                              Registry* registry, const PredictorOptions& options);

/// The parts that a composite's file names.
Result<std::vector<Ref>> PartsIn(const std::string& directory);

/// A model's files, with those of its parts as "fraud@3/model.json": what a release of it is made
/// of.
Result<std::map<std::string, std::string>> AllFilesOf(const ModelDefinition& model,
                                                      Registry* registry);

}  // namespace tercet
