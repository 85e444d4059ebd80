#include "base/file_system.h"
#include "runtime/onnx_predictor.h"
#include "runtime/predictor.h"
#include "runtime/python_predictor.h"
#include "runtime/tree_model.h"

namespace tercet {
namespace {

constexpr const char* kXgboostJson = "model.json";
constexpr const char* kXgboostUbjson = "model.ubj";
constexpr const char* kLightgbm = "model.txt";
constexpr const char* kOnnx = "model.onnx";

Result<std::string> ReadModelFile(const std::string& directory, const std::string& name) {
  Result<std::string> bytes = LocalFileSystem()->ReadFile(JoinPath(directory, name));
  if (bytes.status().IsKeyError()) {
    return Status::Invalid("the model has no file '", name, "' in '", directory, "'");
  }
  return bytes;
}

Result<std::shared_ptr<const TreeModel>> ReadTreeModel(ModelFormat format,
                                                       const std::string& directory) {
  Result<std::shared_ptr<const TreeModel>> model = nullptr;
  if (format == ModelFormat::kLightgbm) {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, ReadModelFile(directory, kLightgbm));
    model = ReadLightgbmModel(bytes);
  } else {
    ARROW_ASSIGN_OR_RAISE(const bool ubjson,
                          LocalFileSystem()->Exists(JoinPath(directory, kXgboostUbjson)));
    ARROW_ASSIGN_OR_RAISE(const std::string bytes,
                          ReadModelFile(directory, ubjson ? kXgboostUbjson : kXgboostJson));
    model = ReadXgboostModel(bytes, ubjson);
  }
  if (!model.ok()) return Explain(model.status(), "cannot load the model in '" + directory + "'");
  return model;
}

}  // namespace

Result<std::unique_ptr<Predictor>> LoadPredictor(ModelFormat format, const std::string& directory,
                                                 const Signature& signature,
                                                 const PredictorOptions& options) {
  if (signature.inputs == nullptr || signature.outputs == nullptr) {
    return Status::Invalid("cannot load the model in '", directory, "' without a signature");
  }
  switch (format) {
    case ModelFormat::kXgboost:
    case ModelFormat::kLightgbm: {
      ARROW_ASSIGN_OR_RAISE(auto model, ReadTreeModel(format, directory));
      return MakeTreePredictor(std::move(model), signature);
    }
    case ModelFormat::kOnnx: return LoadOnnxPredictor(JoinPath(directory, kOnnx), signature);
    case ModelFormat::kPython: return LoadPythonPredictor(directory, signature, options);
    case ModelFormat::kComposite: break;
  }
  return Status::Invalid("unknown model format");
}

Result<Signature> InferSignature(ModelFormat format, const std::string& directory) {
  switch (format) {
    case ModelFormat::kXgboost:
    case ModelFormat::kLightgbm: {
      ARROW_ASSIGN_OR_RAISE(const auto model, ReadTreeModel(format, directory));
      return model->signature();
    }
    case ModelFormat::kOnnx: return InferOnnxSignature(JoinPath(directory, kOnnx));
    case ModelFormat::kPython:
    case ModelFormat::kComposite: break;
  }
  if (format == ModelFormat::kComposite) {
    return Status::Invalid("a composite's files do not say what its parts take and give");
  }
  return Status::Invalid("a Python predictor's files do not say what it takes and gives; ",
                         "register it with a signature");
}

}  // namespace tercet
