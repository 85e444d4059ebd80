#include <algorithm>
#include <atomic>
#include <mutex>

#include <arrow/array.h>

#include "base/parallel.h"
#include "runtime/prediction_columns.h"
#include "runtime/tree_model.h"

namespace tercet {
namespace {

/// Rows that one task of a large batch takes.
constexpr int64_t kTaskRows = 2048;

/// The trees on the cells of one row.
class TreeRowModel : public RowModel {
 public:
  TreeRowModel(std::shared_ptr<const TreeModel> model, std::vector<arrow::Type::type> inputs,
               std::vector<arrow::Type::type> outputs)
      : model_(std::move(model)), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  void Predict(std::span<const Cell> inputs, Arena* memory,
               std::span<Cell> answers) const override {
    const size_t count = outputs_.size();
    auto* predictions = memory->TakeArray<double>(count);
    model_->EvaluateRow(inputs, inputs_, memory, predictions);
    for (size_t k = 0; k < count; ++k) {
      if (outputs_[k] == arrow::Type::DOUBLE) {
        answers[k] = {reinterpret_cast<const char*>(predictions + k), sizeof(double)};
        continue;
      }
      auto* number = memory->TakeArray<float>(1);
      *number = static_cast<float>(predictions[k]);
      answers[k] = {reinterpret_cast<const char*>(number), sizeof(float)};
    }
  }

 private:
  const std::shared_ptr<const TreeModel> model_;
  const std::vector<arrow::Type::type> inputs_, outputs_;
};

class TreePredictor : public Predictor {
 public:
  TreePredictor(std::shared_ptr<const TreeModel> model, Signature signature)
      : model_(std::move(model)), signature_(std::move(signature)) {}

  const Signature& signature() const override { return signature_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) override {
    // The very schema that was checked before needs no second look.
    if (features.schema().get() != checked_schema_.load(std::memory_order_acquire)) {
      ARROW_RETURN_NOT_OK(CheckFeatureTypes(*features.schema(), model_->categories().size(),
                                            model_->categories()));
      Remember(features.schema());
    }
    const int64_t rows = features.num_rows();
    const int outputs = signature_.outputs->num_fields();
    std::vector<double> predictions(static_cast<size_t>(rows) * outputs);
    if (rows <= kTaskRows) {
      model_->Evaluate(features, 0, rows, predictions.data());
    } else {
      const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
      ARROW_RETURN_NOT_OK(ParallelFor(tasks, [&](int64_t task) {
        const int64_t begin = task * kTaskRows;
        model_->Evaluate(features, begin, std::min(rows, begin + kTaskRows),
                         predictions.data() + begin * outputs);
        return Status::OK();
      }));
    }
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (int i = 0; i < outputs; ++i) {
      ARROW_ASSIGN_OR_RAISE(auto column, PredictionColumn(signature_.outputs->field(i)->type(),
                                                          predictions, rows, outputs, i));
      columns.push_back(std::move(column));
    }
    return arrow::RecordBatch::Make(signature_.outputs, rows, std::move(columns));
  }

  std::shared_ptr<const RowModel> ForRows(const arrow::Schema& inputs) const override {
    if (!CheckFeatureTypes(inputs, model_->categories().size(), model_->categories()).ok()) {
      return nullptr;
    }
    std::vector<arrow::Type::type> types, outputs;
    for (const auto& field : inputs.fields()) {
      if (!IsFeatureCell(field->type()->id())) return nullptr;
      types.push_back(field->type()->id());
    }
    for (const auto& field : signature_.outputs->fields()) {
      // A class in an integer column may not fit, which is an error of its own.
      const arrow::Type::type type = field->type()->id();
      if (type != arrow::Type::DOUBLE && type != arrow::Type::FLOAT) return nullptr;
      outputs.push_back(type);
    }
    return std::make_shared<TreeRowModel>(model_, std::move(types), std::move(outputs));
  }

 private:
  void Remember(const std::shared_ptr<arrow::Schema>& schema) {
    const std::lock_guard lock(mutex_);
    // In this order: an address is not given to another schema while it is the one remembered.
    checked_schema_.store(schema.get(), std::memory_order_release);
    kept_schema_ = schema;
  }

  const std::shared_ptr<const TreeModel> model_;
  const Signature signature_;
  std::atomic<const arrow::Schema*> checked_schema_{nullptr};
  std::mutex mutex_;
  std::shared_ptr<arrow::Schema> kept_schema_;  ///< guarded by mutex_
};

}  // namespace

std::shared_ptr<arrow::Schema> TreeOutputs(int count, std::shared_ptr<arrow::DataType> type) {
  if (count == 1) return arrow::schema({arrow::field("prediction", type, false)});
  arrow::FieldVector fields;
  for (int i = 0; i < count; ++i) {
    fields.push_back(arrow::field("probability_" + std::to_string(i), type, false));
  }
  return arrow::schema(std::move(fields));
}

Result<std::unique_ptr<Predictor>> MakeTreePredictor(std::shared_ptr<const TreeModel> model,
                                                     const Signature& signature) {
  const Status fits =
      CheckFeatureTypes(*signature.inputs, model->categories().size(), model->categories());
  if (!fits.ok()) {
    return Status::Invalid("the signature does not fit the model: ", fits.message());
  }
  const int outputs = model->signature().outputs->num_fields();
  if (signature.outputs->num_fields() != outputs) {
    return Status::Invalid("the signature does not fit the model: it has ",
                           signature.outputs->num_fields(), " outputs, the model gives ", outputs);
  }
  for (const auto& field : signature.outputs->fields()) {
    if (!IsPredictionType(*field->type())) {
      return Status::Invalid("the signature does not fit the model: output '", field->name(),
                             "' has the type ", field->type()->ToString(),
                             ", the model gives numbers");
    }
  }
  return std::make_unique<TreePredictor>(std::move(model), signature);
}

}  // namespace tercet
