#include "inference/model_loading.h"

#include "base/file_system.h"
#include "inference/composite.h"

namespace tercet {
namespace {

Result<CompositeDefinition> ReadDefinition(const std::string& directory) {
  const std::string path = JoinPath(directory, "composite.json");
  const Result<std::string> text = LocalFileSystem()->ReadFile(path);
  if (text.status().IsKeyError()) {
    return Status::Invalid("the model has no file 'composite.json', which names its parts");
  }
  ARROW_RETURN_NOT_OK(text.status());
  Result<CompositeDefinition> definition = CompositeDefinition::Parse(*text);
  if (!definition.ok()) return Explain(definition.status(), "'composite.json'");
  return definition;
}

}  // namespace

Result<LoadedModel> LoadModel(const ModelDefinition& model, const std::string& directory,
                              Registry* registry, const PredictorOptions& options) {
  LoadedModel loaded;
  if (model.format != ModelFormat::kComposite) {
    ARROW_ASSIGN_OR_RAISE(loaded.predictor,
                          LoadPredictor(model.format, directory, model.signature, options));
    loaded.repeats = model.format != ModelFormat::kPython;
    return loaded;
  }
  ARROW_ASSIGN_OR_RAISE(const CompositeDefinition definition, ReadDefinition(directory));
  std::vector<CompositePart> parts;
  for (const Ref& ref : definition.parts) {
    const std::string what = "part '" + ref.ToText() + "'";
    const auto part = registry->GetModel(ref);
    if (!part.ok()) return Explain(part.status(), what);
    ARROW_ASSIGN_OR_RAISE(const std::string part_directory, registry->ModelDirectory(ref));
    auto part_loaded = LoadModel(*part, part_directory, registry, options);
    if (!part_loaded.ok()) return Explain(part_loaded.status(), what);
    loaded.repeats = loaded.repeats && part_loaded->repeats;
    parts.push_back({ref, part->signature, std::move(part_loaded->predictor)});
  }
  Signature signature = model.signature;
  if (signature.inputs == nullptr || signature.outputs == nullptr) {
    ARROW_ASSIGN_OR_RAISE(signature, SignatureOf(definition, parts));
  }
  ARROW_ASSIGN_OR_RAISE(loaded.predictor, MakeComposite(definition, std::move(parts), signature));
  return loaded;
}

Result<std::vector<Ref>> PartsIn(const std::string& directory) {
  ARROW_ASSIGN_OR_RAISE(CompositeDefinition definition, ReadDefinition(directory));
  return std::move(definition.parts);
}

Result<std::map<std::string, std::string>> AllFilesOf(const ModelDefinition& model,
                                                      Registry* registry) {
  std::map<std::string, std::string> files = model.files;
  for (const Ref& ref : model.parts) {
    ARROW_ASSIGN_OR_RAISE(const ModelDefinition part, registry->GetModel(ref));
    ARROW_ASSIGN_OR_RAISE(const auto part_files, AllFilesOf(part, registry));
    for (const auto& [path, sha256] : part_files) files[ref.ToText() + "/" + path] = sha256;
  }
  return files;
}

}  // namespace tercet
