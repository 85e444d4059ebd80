#pragma once

#include <map>
#include <string>

#include "catalog/catalog.h"
#include "catalog/model.h"
#include "offline/feature_tables.h"
#include "registry/registry.h"
#include "runtime/predictor.h"

namespace tercet {

/// Registers a model after proving that its files load. An empty signature is inferred from the
/// files; when the model names a training dataset, its inputs take the names of that dataset's
/// transformed features, in order (Invalid when their number differs). A view that is not named is
/// the training dataset's.
Result<ModelDefinition> RegisterModel(Registry* registry, Catalog* catalog,
                                      const ModelDefinition& definition,
                                      const std::map<std::string, std::string>& files,
                                      const PredictorOptions& options);

}  // namespace tercet
