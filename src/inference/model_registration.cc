#include "inference/model_registration.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "base/file_system.h"
#include "base/id.h"
#include "catalog/feature_group.h"
#include "catalog/training_dataset.h"
#include "inference/model_loading.h"
#include "inference/warm_up.h"

namespace tercet {
namespace {

/// A directory of the system's temporary space that goes away with this object.
class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_((std::filesystem::temp_directory_path() / ("tercet-model-" + NewUuid())).string()) {}
  ~TemporaryDirectory() {
    std::error_code ignored;  // a leftover in temporary space harms nobody
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Status WriteFiles(const std::map<std::string, std::string>& files, const std::string& directory) {
  const std::shared_ptr<FileSystem> disk = LocalFileSystem();
  for (const auto& [name, bytes] : files) {
    const std::filesystem::path relative = std::filesystem::path(name).lexically_normal();
    if (name.empty() || relative.is_absolute() || *relative.begin() == "..") {
      return Status::Invalid("model file '", name, "' must be a path below the model's folder");
    }
    const std::string path = JoinPath(directory, relative.string());
    ARROW_RETURN_NOT_OK(disk->MakeDirectory(std::filesystem::path(path).parent_path().string()));
    ARROW_RETURN_NOT_OK(disk->Replace(path, bytes));
  }
  return Status::OK();
}

/// The files' own input types under the names of the features that the model was trained on; a
/// model that names fewer inputs itself uses those features only.
Result<Signature> NamedBy(const arrow::Schema& features, const Signature& inferred) {
  const int count = inferred.inputs->num_fields();
  const auto is_feature = [&](const auto& input) {
    return features.GetFieldIndex(input->name()) >= 0;
  };
  const auto& inputs = inferred.inputs->fields();
  if (count < features.num_fields() && std::all_of(inputs.begin(), inputs.end(), is_feature)) {
    return inferred;
  }
  if (count != features.num_fields()) {
    return Status::Invalid("the model takes ", count, " inputs, but its training dataset has ",
                           features.num_fields(), " features: ", features.ToString());
  }
  arrow::FieldVector fields;
  for (int i = 0; i < count; ++i) {
    fields.push_back(inferred.inputs->field(i)->WithName(features.field(i)->name()));
  }
  return Signature{.inputs = arrow::schema(fields), .outputs = inferred.outputs};
}

Result<Signature> InferAnySignature(const ModelDefinition& model, const std::string& directory,
                                    Registry* registry, const PredictorOptions& options) {
  if (model.format != ModelFormat::kComposite) return InferSignature(model.format, directory);
  ModelDefinition unsigned_model = model;
  unsigned_model.signature = {};
  ARROW_ASSIGN_OR_RAISE(const LoadedModel loaded,
                        LoadModel(unsigned_model, directory, registry, options));
  return loaded.predictor->signature();
}

}  // namespace

Result<ModelDefinition> RegisterModel(Registry* registry, Catalog* catalog,
                                      const ModelDefinition& definition,
                                      const std::map<std::string, std::string>& files,
                                      const PredictorOptions& options) {
  if (files.empty()) return Status::Invalid("model '", definition.name, "' has no files");
  ModelDefinition model = definition;
  TemporaryDirectory staged;
  ARROW_RETURN_NOT_OK(WriteFiles(files, staged.path()));
  model.parts.clear();
  if (model.format == ModelFormat::kComposite) {
    ARROW_ASSIGN_OR_RAISE(model.parts, PartsIn(staged.path()));
  }

  std::shared_ptr<arrow::Schema> features;
  if (model.training_dataset) {
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry,
                          catalog->Get(Kind::kTrainingDataset, *model.training_dataset));
    ARROW_ASSIGN_OR_RAISE(const auto dataset,
                          TrainingDatasetDefinition::FromJson(entry.definition));
    ARROW_ASSIGN_OR_RAISE(features, SchemaFromJson(dataset.features));
    if (!model.view) model.view = dataset.view;
  }
  if (model.signature.inputs == nullptr || model.signature.outputs == nullptr) {
    if (model.format == ModelFormat::kPython && features != nullptr &&
        model.signature.outputs != nullptr) {
      model.signature.inputs = features;
    } else {
      ARROW_ASSIGN_OR_RAISE(const Signature inferred,
                            InferAnySignature(model, staged.path(), registry, options));
      model.signature = inferred;
      if (features != nullptr) {
        ARROW_ASSIGN_OR_RAISE(model.signature, NamedBy(*features, inferred));
      }
    }
  }
  // A model that can't be loaded must fail here, not at its first request.
  ARROW_ASSIGN_OR_RAISE(const LoadedModel loaded,
                        LoadModel(model, staged.path(), registry, options));
  ARROW_ASSIGN_OR_RAISE(model.warm_up, RecordWarmUp(loaded.predictor.get()));
  return registry->RegisterModel(model, files);
}

}  // namespace tercet
