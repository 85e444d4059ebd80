#include "runtime/python_predictor.h"

#include "base/file_system.h"
#include "base/json.h"
#include "base/name.h"
#include "base/short_text.h"
#include "runtime/prediction_columns.h"
#include "runtime/python_environment.h"
#include "runtime/python_program.h"
#include "runtime/python_worker.h"

namespace tercet {
namespace {

constexpr std::string_view kRawPrefix = "tercet.raw.";

struct ClassName {
  std::string module, name;
  std::string python;  ///< an interpreter of its own; empty: the process's
  std::string step;    ///< "preprocess" or "postprocess", when it is that of another model
};

Result<ClassName> ReadClassName(const std::string& directory) {
  const std::string path = JoinPath(directory, "predictor.json");
  Result<std::string> text = LocalFileSystem()->ReadFile(path);
  if (text.status().IsKeyError()) {
    return Status::Invalid("the model has no file 'predictor.json', which names its class: ",
                           "{\"module\": \"predictor\", \"class\": \"MyPredictor\"}");
  }
  ARROW_RETURN_NOT_OK(text.status());
  const auto read = [&]() -> Result<ClassName> {
    ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(*text));
    for (const auto& member : object) {
      const std::string_view key = member.key();
      if (key != "module" && key != "class" && key != "python" && key != "step") {
        return Status::Invalid("it has no member '", ShortText(key), "'",
                               Suggest(key, {"module", "class", "python", "step"}));
      }
    }
    ClassName found;
    ARROW_ASSIGN_OR_RAISE(found.module, GetString(object, "module"));
    ARROW_ASSIGN_OR_RAISE(found.name, GetString(object, "class"));
    ARROW_ASSIGN_OR_RAISE(const auto python, FindString(object, "python"));
    found.python = python.value_or("");
    ARROW_ASSIGN_OR_RAISE(const auto step, FindString(object, "step"));
    found.step = step.value_or("");
    if (!found.step.empty() && found.step != "preprocess" && found.step != "postprocess") {
      return Status::Invalid("'step' is 'preprocess' or 'postprocess', not '",
                             ShortText(found.step), "'");
    }
    return found;
  };
  Result<ClassName> found = read();
  if (!found.ok()) return Explain(found.status(), "'" + path + "'");
  return found;
}

class PythonPredictor : public Predictor {
 public:
  PythonPredictor(const std::string& directory, const ClassName& class_name, Signature signature,
                  const PredictorOptions& options)
      : who_("predictor class '" + class_name.name + "'"),
        is_postprocess_(class_name.step == "postprocess"),
        signature_(std::move(signature)),
        program_(TextOf(directory, class_name, options), options.workers) {}

  const Signature& signature() const override { return signature_; }

  Status Reserve(const WorkerLimits& limits) override { return program_.Reserve(limits); }

  bool is_postprocess() const override { return is_postprocess_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) override {
    ARROW_ASSIGN_OR_RAISE(const auto answered, PredictBy(features, std::nullopt));
    return FirstColumns(*answered, signature_.outputs->num_fields());
  }

  Result<std::shared_ptr<arrow::RecordBatch>> PredictBy(const arrow::RecordBatch& features,
                                                        const Deadline& deadline) override {
    if (features.num_columns() != signature_.inputs->num_fields()) {
      return Status::Invalid("the model takes ", signature_.inputs->num_fields(),
                             " features, not ", features.num_columns());
    }
    ARROW_ASSIGN_OR_RAISE(auto answered, program_.Call(features, deadline));
    // Behind the outputs, under names of the worker's.
    int outputs = answered->num_columns();
    while (outputs > 0 && answered->column_name(outputs - 1).starts_with(kRawPrefix)) --outputs;
    ARROW_ASSIGN_OR_RAISE(auto arranged,
                          Arrange(*FirstColumns(*answered, outputs), features.num_rows()));
    for (int i = outputs; i < answered->num_columns(); ++i) {
      const std::string name = answered->column_name(i).substr(kRawPrefix.size());
      ARROW_ASSIGN_OR_RAISE(
          arranged, arranged->AddColumn(arranged->num_columns(), name, answered->column(i)));
    }
    return arranged;
  }

 private:
  PythonProgram::Text TextOf(const std::string& directory, const ClassName& class_name,
                             const PredictorOptions& options) const {
    return {.who = who_,
            .python = class_name.python.empty() ? options.python : class_name.python,
            .program = PredictorProgram(),
            .start = {{"directory", directory},
                      {"module", class_name.module},
                      {"class", class_name.name},
                      {"step", class_name.step},
                      {"outputs", ToJsonArray(signature_.outputs->field_names())}}};
  }

  /// The signature's outputs by name, or by position where the names are others.
  Result<std::shared_ptr<arrow::RecordBatch>> Arrange(const arrow::RecordBatch& answer,
                                                      int64_t rows) const {
    const std::vector<std::shared_ptr<arrow::Array>>& by_position = answer.columns();
    std::vector<std::shared_ptr<arrow::Array>> by_name;
    for (const auto& field : signature_.outputs->fields()) {
      const auto column = answer.GetColumnByName(field->name());
      if (column != nullptr) by_name.push_back(column);
    }
    const bool named = static_cast<int>(by_name.size()) == signature_.outputs->num_fields();
    auto fitted = FitOutputs(signature_.outputs, rows, named ? by_name : by_position);
    if (!fitted.ok()) return Explain(fitted.status(), who_);
    return fitted;
  }

  const std::string who_;
  const bool is_postprocess_;
  const Signature signature_;
  PythonProgram program_;
};

}  // namespace

Result<std::unique_ptr<Predictor>> LoadPythonPredictor(const std::string& directory,
                                                       const Signature& signature,
                                                       const PredictorOptions& options) {
  ARROW_ASSIGN_OR_RAISE(ClassName class_name, ReadClassName(directory));
  const std::string requirements = JoinPath(directory, "requirements.txt");
  if (!options.environments.empty() && class_name.python.empty()) {
    ARROW_ASSIGN_OR_RAISE(const bool given, LocalFileSystem()->Exists(requirements));
    if (given) {
      ARROW_ASSIGN_OR_RAISE(const std::string text, LocalFileSystem()->ReadFile(requirements));
      ARROW_ASSIGN_OR_RAISE(class_name.python,
                            EnsurePythonEnvironment(options.environments, options.python, text));
    }
  }
  auto predictor = std::make_unique<PythonPredictor>(directory, class_name, signature, options);
  ARROW_RETURN_NOT_OK(predictor->Reserve(options.workers));
  return predictor;
}

}  // namespace tercet
