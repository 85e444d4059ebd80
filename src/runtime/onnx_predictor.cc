#include "runtime/onnx_predictor.h"

#include <algorithm>
#include <limits>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>

#include "base/file_system.h"
#include "base/parallel.h"
#include "runtime/feature_rows.h"
#include "runtime/onnx_graph.h"
#include "runtime/onnx_session.h"
#include "runtime/prediction_columns.h"

namespace tercet {
namespace {

/// Rows that one task takes, and that one call of the model takes where its rows are independent.
constexpr int64_t kTaskRows = 1024;

template <typename ArrowType, typename Item>
Status CopyItems(const arrow::Array& array, const std::string& name, size_t stride, Item* out) {
  using ArrayType = typename arrow::TypeTraits<ArrowType>::ArrayType;
  const auto& items = static_cast<const ArrayType&>(array);
  for (int64_t i = 0; i < array.length(); ++i, out += stride) {
    if (array.IsNull(i)) {
      return Status::Invalid("feature '", name, "' is null in row ", i,
                             ", and the model takes no missing ", array.type()->ToString(),
                             "; impute it in the feature view");
    }
    if constexpr (std::is_same_v<Item, std::string>) {
      *out = items.GetString(i);
    } else {
      *out = static_cast<Item>(items.Value(i));
    }
  }
  return Status::OK();
}

/// One feature into every `stride`th item of `out`.
Status FillFeature(const std::shared_ptr<arrow::Array>& array, const std::string& name,
                   const OnnxTensor& tensor, size_t stride, size_t first, OnnxValues* out) {
  std::shared_ptr<arrow::Array> items = array;
  if (!array->type()->Equals(*tensor.type)) {
    const auto cast = arrow::compute::Cast(array, tensor.type);
    if (!cast.ok()) {
      return Explain(cast.status(), "feature '" + name + "' of type " + array->type()->ToString() +
                                        " does not fit the model's " + tensor.type->ToString());
    }
    items = cast->make_array();
  }
  switch (tensor.type->id()) {
    case arrow::Type::INT64:
      return CopyItems<arrow::Int64Type>(
          *items, name, stride, std::get<std::vector<int64_t>>(*out).data() + first);
    case arrow::Type::INT32:
      return CopyItems<arrow::Int32Type>(
          *items, name, stride, std::get<std::vector<int32_t>>(*out).data() + first);
    case arrow::Type::BOOL:
      return CopyItems<arrow::BooleanType>(
          *items, name, stride, std::get<std::vector<uint8_t>>(*out).data() + first);
    default:
      return CopyItems<arrow::StringType>(
          *items, name, stride, std::get<std::vector<std::string>>(*out).data() + first);
  }
}

class OnnxPredictor : public Predictor {
 public:
  OnnxPredictor(std::unique_ptr<OnnxSession> session, Signature signature, bool rows_independent)
      : session_(std::move(session)), signature_(std::move(signature)) {
    const std::vector<OnnxTensor>& inputs = session_->inputs();
    is_matrix_ = inputs.size() == 1;
    widths_.assign(inputs.size(), 1);
    if (is_matrix_) widths_[0] = signature_.inputs->num_fields();
    // A batch dimension that the model has fixed to one is asked row by row as well.
    call_rows_ = rows_independent ? kTaskRows : 1;
    for (const OnnxTensor& tensor : inputs) {
      if (tensor.shape[0] > 0) call_rows_ = 1;
    }
  }

  const Signature& signature() const override { return signature_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) override {
    if (features.num_columns() != signature_.inputs->num_fields()) {
      return Status::Invalid("the model takes ", signature_.inputs->num_fields(),
                             " features, not ", features.num_columns());
    }
    const int64_t rows = features.num_rows();
    const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
    std::vector<std::vector<OnnxSession::Answer>> answers(static_cast<size_t>(tasks));
    const auto task = [&](int64_t t) {
      const int64_t begin = t * kTaskRows;
      return Evaluate(*features.Slice(begin, std::min(kTaskRows, rows - begin)),
                      &answers[static_cast<size_t>(t)]);
    };
    if (tasks <= 1) {
      if (tasks == 1) ARROW_RETURN_NOT_OK(task(0));
    } else {
      ARROW_RETURN_NOT_OK(ParallelFor(tasks, task));
    }
    return Collect(answers, rows);
  }

  /// The outputs' columns as the model itself has them.
  Result<std::shared_ptr<arrow::Schema>> OutputsOf(const arrow::RecordBatch& features) {
    std::vector<OnnxSession::Answer> answers;
    ARROW_RETURN_NOT_OK(Evaluate(features, &answers));
    arrow::FieldVector fields;
    for (size_t o = 0; o < session_->outputs().size(); ++o) {
      const OnnxTensor& tensor = session_->outputs()[o];
      const int64_t width = answers[0].widths[o];
      for (int64_t i = 0; i < width; ++i) {
        fields.push_back(arrow::field(
            width == 1 ? tensor.name : tensor.name + "_" + std::to_string(i), tensor.type));
      }
    }
    return arrow::schema(std::move(fields));
  }

 private:
  Status Evaluate(const arrow::RecordBatch& features,
                  std::vector<OnnxSession::Answer>* answers) const {
    const auto rows = static_cast<size_t>(features.num_rows());
    std::vector<OnnxValues> values;
    for (size_t i = 0; i < session_->inputs().size(); ++i) {
      values.push_back(session_->inputs()[i].Values(rows * static_cast<size_t>(widths_[i])));
      ARROW_RETURN_NOT_OK(Fill(features, i, &values.back()));
    }
    for (int64_t begin = 0; begin < features.num_rows(); begin += call_rows_) {
      ARROW_ASSIGN_OR_RAISE(
          auto answer, session_->Run(values, widths_, begin,
                                     std::min(call_rows_, features.num_rows() - begin)));
      answers->push_back(std::move(answer));
    }
    return Status::OK();
  }

  /// Input i of the model: all features of a matrix, or feature i.
  Status Fill(const arrow::RecordBatch& features, size_t i, OnnxValues* values) const {
    const OnnxTensor& tensor = session_->inputs()[i];
    const auto one = static_cast<int>(i);
    auto* floats = std::get_if<std::vector<float>>(values);
    auto* doubles = std::get_if<std::vector<double>>(values);
    if (floats != nullptr || doubles != nullptr) {
      std::shared_ptr<arrow::RecordBatch> picked;
      if (!is_matrix_) {
        ARROW_ASSIGN_OR_RAISE(picked, features.SelectColumns({one}));
      }
      const arrow::RecordBatch& input = is_matrix_ ? features : *picked;
      const std::vector<CategoryCodes> none(static_cast<size_t>(input.num_columns()));
      ARROW_RETURN_NOT_OK(CheckFeatureTypes(*input.schema(), none.size(), none));
      if (floats != nullptr) FillFeatureRows(input, 0, input.num_rows(), none, floats->data());
      if (doubles != nullptr) FillFeatureRows(input, 0, input.num_rows(), none, doubles->data());
      return Status::OK();
    }
    const int first = is_matrix_ ? 0 : one;
    const int last = is_matrix_ ? features.num_columns() : one + 1;
    for (int c = first; c < last; ++c) {
      ARROW_RETURN_NOT_OK(FillFeature(features.column(c), features.column_name(c), tensor,
                                      static_cast<size_t>(last - first),
                                      static_cast<size_t>(c - first), values));
    }
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Collect(
      const std::vector<std::vector<OnnxSession::Answer>>& answers, int64_t rows) const {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t o = 0; o < session_->outputs().size() && rows > 0; ++o) {
      const int64_t width = answers[0][0].widths[o];
      for (int64_t c = 0; c < width; ++c) {
        ARROW_ASSIGN_OR_RAISE(auto builder,
                              arrow::MakeBuilder(session_->outputs()[o].type));
        ARROW_RETURN_NOT_OK(builder->Reserve(rows));
        for (const auto& task : answers) {
          for (const OnnxSession::Answer& answer : task) {
            if (answer.widths[o] != width) {
              return Status::ExecutionError("ONNX output '", session_->outputs()[o].name, "' has ",
                                            answer.widths[o], " columns after ", width);
            }
            ARROW_RETURN_NOT_OK(Append(answer.values[o], static_cast<size_t>(c),
                                       static_cast<size_t>(width), builder.get()));
          }
        }
        ARROW_ASSIGN_OR_RAISE(auto column, builder->Finish());
        columns.push_back(std::move(column));
      }
    }
    if (rows == 0) return arrow::RecordBatch::MakeEmpty(signature_.outputs);
    return FitOutputs(signature_.outputs, rows, columns);
  }

  static Status Append(const OnnxValues& values, size_t first, size_t width,
                       arrow::ArrayBuilder* builder) {
    return std::visit(
        [&](const auto& items) -> Status {
          using Item = typename std::decay_t<decltype(items)>::value_type;
          const auto append = [&](auto* typed) -> Status {
            for (size_t i = first; i < items.size(); i += width) {
              ARROW_RETURN_NOT_OK(typed->Append(items[i]));
            }
            return Status::OK();
          };
          if constexpr (std::is_same_v<Item, float>) {
            return append(static_cast<arrow::FloatBuilder*>(builder));
          } else if constexpr (std::is_same_v<Item, double>) {
            return append(static_cast<arrow::DoubleBuilder*>(builder));
          } else if constexpr (std::is_same_v<Item, int64_t>) {
            return append(static_cast<arrow::Int64Builder*>(builder));
          } else if constexpr (std::is_same_v<Item, int32_t>) {
            return append(static_cast<arrow::Int32Builder*>(builder));
          } else if constexpr (std::is_same_v<Item, uint8_t>) {
            return append(static_cast<arrow::BooleanBuilder*>(builder));
          } else {
            return append(static_cast<arrow::StringBuilder*>(builder));
          }
        },
        values);
  }

  const std::unique_ptr<OnnxSession> session_;
  const Signature signature_;
  bool is_matrix_ = false;
  std::vector<int64_t> widths_;
  int64_t call_rows_ = 1;
};

/// Names and types of the features, from the shapes of the inputs. `count`: of features where a
/// matrix leaves its width open.
Result<std::shared_ptr<arrow::Schema>> InputsOf(const OnnxSession& session, int64_t count) {
  arrow::FieldVector fields;
  const std::vector<OnnxTensor>& inputs = session.inputs();
  for (const OnnxTensor& tensor : inputs) {
    if (tensor.shape[0] > 1) {
      return Status::NotImplemented("ONNX input '", tensor.name, "' takes ", tensor.shape[0],
                                    " rows at once, no more and no less; export the model with an "
                                    "open first dimension");
    }
    const int64_t width = tensor.shape.size() == 1 ? 1 : tensor.shape[1];
    if (inputs.size() == 1) {
      const int64_t features = width > 0 ? width : count;
      if (features <= 0) {
        return Status::Invalid("ONNX input '", tensor.name,
                               "' does not say how many features it has; give a signature");
      }
      for (int64_t i = 0; i < features; ++i) {
        fields.push_back(arrow::field("f" + std::to_string(i), tensor.type));
      }
    } else if (width > 1) {
      return Status::NotImplemented("ONNX input '", tensor.name, "' is one of ", inputs.size(),
                                    " and has ", width,
                                    " columns; one matrix, or one column an input are taken");
    } else {
      fields.push_back(arrow::field(tensor.name, tensor.type));
    }
  }
  return arrow::schema(std::move(fields));
}

Result<std::unique_ptr<OnnxPredictor>> Load(const std::string& path, Signature signature,
                                            std::unique_ptr<OnnxSession> session) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, LocalFileSystem()->ReadFile(path));
  ARROW_ASSIGN_OR_RAISE(const bool independent, RowsAreIndependent(bytes));
  return std::make_unique<OnnxPredictor>(std::move(session), std::move(signature), independent);
}

/// One row of zeros and empty words, to learn the outputs' widths from.
Result<std::shared_ptr<arrow::RecordBatch>> BlankRow(const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& field : schema->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(field->type()));
    ARROW_RETURN_NOT_OK(builder->AppendEmptyValue());
    ARROW_ASSIGN_OR_RAISE(auto column, builder->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, 1, std::move(columns));
}

}  // namespace

Result<std::unique_ptr<Predictor>> LoadOnnxPredictor(const std::string& path,
                                                     const Signature& signature) {
  ARROW_ASSIGN_OR_RAISE(auto session, OnnxSession::Open(path));
  ARROW_ASSIGN_OR_RAISE(const auto inputs, InputsOf(*session, signature.inputs->num_fields()));
  if (inputs->num_fields() != signature.inputs->num_fields()) {
    return Status::Invalid("the signature does not fit the model: it has ",
                           signature.inputs->num_fields(), " inputs, the model takes ",
                           inputs->num_fields());
  }
  for (int i = 0; i < inputs->num_fields(); ++i) {
    const auto& wanted = inputs->field(i)->type();
    const auto& given = signature.inputs->field(i)->type();
    if ((wanted->id() == arrow::Type::STRING) != arrow::is_base_binary_like(given->id())) {
      return Status::Invalid("the signature does not fit the model: input '",
                             signature.inputs->field(i)->name(), "' has the type ",
                             given->ToString(), ", the model takes ", wanted->ToString());
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto predictor, Load(path, signature, std::move(session)));
  // The widths of the outputs may be open until the model has run once. A model that takes no
  // blanks (an encoder that knows no empty word) is checked at its first answer.
  ARROW_ASSIGN_OR_RAISE(const auto blank, BlankRow(inputs));
  const auto outputs = predictor->OutputsOf(*blank);
  if (outputs.ok() && (*outputs)->num_fields() != signature.outputs->num_fields()) {
    return Status::Invalid("the signature does not fit the model: it has ",
                           signature.outputs->num_fields(), " outputs, the model gives ",
                           (*outputs)->num_fields(), ": ", (*outputs)->ToString());
  }
  return predictor;
}

Result<Signature> InferOnnxSignature(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto session, OnnxSession::Open(path));
  Signature signature;
  ARROW_ASSIGN_OR_RAISE(signature.inputs, InputsOf(*session, 0));
  signature.outputs = arrow::schema({});
  ARROW_ASSIGN_OR_RAISE(auto predictor, Load(path, signature, std::move(session)));
  ARROW_ASSIGN_OR_RAISE(const auto blank, BlankRow(signature.inputs));
  const auto outputs = predictor->OutputsOf(*blank);
  if (!outputs.ok()) {
    return Status::Invalid("cannot learn what the ONNX model '", path, "' gives from a blank row (",
                           outputs.status().message(), "); give a signature");
  }
  signature.outputs = *outputs;
  return signature;
}

}  // namespace tercet
