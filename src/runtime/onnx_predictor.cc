#include "runtime/onnx_predictor.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>

#include "base/file_system.h"
#include "base/parallel.h"
#include "runtime/onnx_feed.h"
#include "runtime/onnx_graph.h"
#include "runtime/onnx_session.h"
#include "runtime/prediction_columns.h"

namespace tercet {
namespace {

/// Rows that one task takes, and that one call of the model takes where its rows are independent.
constexpr int64_t kTaskRows = 1024;

/// What a model gave in one call.
using Answer = std::vector<OnnxOutput>;

/// Numbers or words as an array; booleans are bytes, halves become floats.
Result<std::shared_ptr<arrow::Array>> ElementsArray(const OnnxTensor& tensor,
                                                    std::vector<uint8_t> numbers,
                                                    const std::vector<std::string>& words) {
  if (tensor.words()) {
    arrow::StringBuilder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(words));
    return builder.Finish();
  }
  const bool flags = tensor.type->id() == arrow::Type::BOOL;
  const auto count = static_cast<int64_t>(numbers.size()) / tensor.element_bytes();
  auto array = arrow::MakeArray(
      arrow::ArrayData::Make(flags ? arrow::uint8() : tensor.type, count,
                             {nullptr, arrow::Buffer::FromVector(std::move(numbers))}, 0));
  if (flags) return arrow::compute::Cast(*array, arrow::boolean());
  if (tensor.type->id() == arrow::Type::HALF_FLOAT) {
    return arrow::compute::Cast(*array, arrow::float32());
  }
  return array;
}

/// Every `width`th element of all answers' output `o`, from the `c`th on.
Result<std::shared_ptr<arrow::Array>> StridedColumn(const OnnxTensor& tensor,
                                                    const std::vector<Answer>& answers, size_t o,
                                                    size_t width, size_t c) {
  std::vector<uint8_t> numbers;
  std::vector<std::string> words;
  const auto bytes = tensor.words() ? 1 : static_cast<size_t>(tensor.element_bytes());
  for (const Answer& answer : answers) {
    const OnnxOutput& output = answer[o];
    for (size_t i = c; i < output.words.size(); i += width) words.push_back(output.words[i]);
    const size_t before = numbers.size(), count = output.numbers.size() / bytes / width;
    numbers.resize(before + count * bytes);
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(numbers.data() + before + i * bytes,
                  output.numbers.data() + (i * width + c) * bytes, bytes);
    }
  }
  return ElementsArray(tensor, std::move(numbers), words);
}

/// Each row's elements of output `o` as a list.
Result<std::shared_ptr<arrow::Array>> ListColumn(const OnnxTensor& tensor,
                                                 const std::vector<Answer>& answers, size_t o) {
  std::vector<uint8_t> numbers;
  std::vector<std::string> words;
  arrow::Int32Builder ends;
  int64_t end = 0;
  ARROW_RETURN_NOT_OK(ends.Append(0));
  for (const Answer& answer : answers) {
    const OnnxOutput& output = answer[o];
    numbers.insert(numbers.end(), output.numbers.begin(), output.numbers.end());
    words.insert(words.end(), output.words.begin(), output.words.end());
    const int64_t width = output.width();
    for (int64_t row = 0; row < output.shape[0]; ++row) {
      end += width;
      if (end > std::numeric_limits<int32_t>::max()) {
        return Status::CapacityError("ONNX output '", tensor.name, "' has more than ",
                                     std::numeric_limits<int32_t>::max(),
                                     " elements; ask for fewer rows at once");
      }
      ARROW_RETURN_NOT_OK(ends.Append(static_cast<int32_t>(end)));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto items, ElementsArray(tensor, std::move(numbers), words));
  ARROW_ASSIGN_OR_RAISE(const auto offsets, ends.Finish());
  return arrow::ListArray::FromArrays(*offsets, *items);
}

/// The type of a list output: of a fixed size where the model says so.
std::shared_ptr<arrow::DataType> ListTypeOf(const OnnxTensor& tensor) {
  const auto item =
      tensor.type->id() == arrow::Type::HALF_FLOAT ? arrow::float32() : tensor.type;
  int64_t size = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) {
    size = size < 0 || tensor.shape[i] < 0 ? -1 : size * tensor.shape[i];
  }
  if (size < 0) return arrow::list(item);
  return arrow::fixed_size_list(item, static_cast<int32_t>(size));
}

class OnnxPredictor : public Predictor {
 public:
  /// `signature`: without outputs, to learn them.
  OnnxPredictor(std::unique_ptr<OnnxSession> session, OnnxInputs inputs, Signature signature,
                bool rows_independent)
      : session_(std::move(session)), inputs_(std::move(inputs)), signature_(std::move(signature)) {
    // A batch dimension that the model has fixed to one is asked row by row as well, and rows that
    // are not equally long.
    call_rows_ = rows_independent && !inputs_.open() ? kTaskRows : 1;
    for (const OnnxTensor& tensor : session_->inputs()) {
      if (tensor.shape[0] > 0) call_rows_ = 1;
    }
    const arrow::Schema& outputs = *signature_.outputs;
    const auto count = session_->outputs().size();
    for (size_t o = 0; o < count; ++o) {
      const std::vector<int64_t>& shape = session_->outputs()[o].shape;
      bool list = shape.size() > 2 || (outputs.num_fields() == 0 && inputs_.lists() &&
                                       shape.size() == 2 && shape[1] != 1);
      if (static_cast<size_t>(outputs.num_fields()) == count) {
        list = arrow::is_list_like(outputs.field(static_cast<int>(o))->type()->id());
      }
      lists_.push_back(list);
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
    if (rows == 0) return arrow::RecordBatch::MakeEmpty(signature_.outputs);
    std::vector<std::vector<Answer>> answers(
        static_cast<size_t>((rows + kTaskRows - 1) / kTaskRows));
    const auto task = [&](int64_t t) {
      const int64_t begin = t * kTaskRows;
      return Evaluate(*features.Slice(begin, std::min(kTaskRows, rows - begin)),
                      &answers[static_cast<size_t>(t)]);
    };
    if (answers.size() == 1) {
      ARROW_RETURN_NOT_OK(task(0));
    } else {
      ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(answers.size()), task));
    }
    std::vector<Answer> all;
    for (std::vector<Answer>& part : answers) {
      std::move(part.begin(), part.end(), std::back_inserter(all));
    }
    return Collect(all, rows);
  }

  /// The outputs' columns as the model itself has them.
  Result<std::shared_ptr<arrow::Schema>> OutputsOf(const arrow::RecordBatch& features) const {
    std::vector<Answer> answers;
    ARROW_RETURN_NOT_OK(Evaluate(features, &answers));
    arrow::FieldVector fields;
    for (size_t o = 0; o < session_->outputs().size(); ++o) {
      const OnnxTensor& tensor = session_->outputs()[o];
      if (lists_[o]) {
        fields.push_back(arrow::field(tensor.name, ListTypeOf(tensor)));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto none, ElementsArray(tensor, {}, {}));
      const int64_t width = answers[0][o].width();
      for (int64_t i = 0; i < width; ++i) {
        fields.push_back(arrow::field(
            width == 1 ? tensor.name : tensor.name + "_" + std::to_string(i), none->type()));
      }
    }
    return arrow::schema(std::move(fields));
  }

 private:
  Status Evaluate(const arrow::RecordBatch& features, std::vector<Answer>* answers) const {
    const std::vector<OnnxTensor>& tensors = session_->inputs();
    std::vector<OnnxElements> elements;
    for (size_t i = 0; i < tensors.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(elements.emplace_back(),
                            ReadOnnxElements(features, tensors[i], inputs_.feeds[i]));
    }
    for (int64_t begin = 0; begin < features.num_rows(); begin += call_rows_) {
      const int64_t rows = std::min(call_rows_, features.num_rows() - begin);
      std::vector<OnnxInput> inputs;
      for (size_t i = 0; i < tensors.size(); ++i) {
        inputs.push_back(elements[i].Rows(tensors[i], inputs_.feeds[i], begin, rows));
      }
      ARROW_ASSIGN_OR_RAISE(answers->emplace_back(), session_->Run(inputs, rows));
    }
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Collect(const std::vector<Answer>& answers,
                                                      int64_t rows) const {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t o = 0; o < session_->outputs().size(); ++o) {
      const OnnxTensor& tensor = session_->outputs()[o];
      if (lists_[o]) {
        ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ListColumn(tensor, answers, o));
        continue;
      }
      const int64_t width = answers[0][o].width();
      for (const Answer& answer : answers) {
        if (answer[o].width() != width) {
          return Status::ExecutionError("ONNX output '", tensor.name, "' has ",
                                        answer[o].width(), " columns after ", width);
        }
      }
      for (int64_t c = 0; c < width; ++c) {
        ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                              StridedColumn(tensor, answers, o, static_cast<size_t>(width),
                                            static_cast<size_t>(c)));
      }
    }
    return FitOutputs(signature_.outputs, rows, columns);
  }

  const std::unique_ptr<OnnxSession> session_;
  const OnnxInputs inputs_;
  const Signature signature_;
  std::vector<bool> lists_;  ///< of the outputs: whether it is one column of lists
  int64_t call_rows_ = 1;
};

Result<std::unique_ptr<OnnxPredictor>> Load(const std::string& path, OnnxInputs inputs,
                                            Signature signature,
                                            std::unique_ptr<OnnxSession> session) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, LocalFileSystem()->ReadFile(path));
  ARROW_ASSIGN_OR_RAISE(const bool independent, RowsAreIndependent(bytes));
  return std::make_unique<OnnxPredictor>(std::move(session), std::move(inputs),
                                         std::move(signature), independent);
}

/// One row of zeros and empty words, in lists of one where the length is open, to learn the
/// outputs' widths from.
Result<std::shared_ptr<arrow::RecordBatch>> BlankRow(const OnnxInputs& inputs) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t c = 0; c < inputs.columns->fields().size(); ++c) {
    const auto& type = inputs.columns->field(static_cast<int>(c))->type();
    ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(type));
    if (type->id() == arrow::Type::LIST) {
      auto* lists = static_cast<arrow::ListBuilder*>(builder.get());
      int64_t least = 1;
      for (const int64_t size : inputs.feeds[c].item) least *= std::max<int64_t>(size, 1);
      ARROW_RETURN_NOT_OK(lists->Append());
      ARROW_RETURN_NOT_OK(lists->value_builder()->AppendEmptyValues(least));
    } else {
      ARROW_RETURN_NOT_OK(builder->AppendEmptyValue());
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
  }
  return arrow::RecordBatch::Make(inputs.columns, 1, std::move(columns));
}

}  // namespace

Result<std::unique_ptr<Predictor>> LoadOnnxPredictor(const std::string& path,
                                                     const Signature& signature) {
  ARROW_ASSIGN_OR_RAISE(auto session, OnnxSession::Open(path));
  ARROW_ASSIGN_OR_RAISE(OnnxInputs inputs,
                        PlanOnnxInputs(session->inputs(), signature.inputs.get()));
  ARROW_ASSIGN_OR_RAISE(const auto blank, BlankRow(inputs));
  ARROW_ASSIGN_OR_RAISE(auto predictor,
                        Load(path, std::move(inputs), signature, std::move(session)));
  // The widths of the outputs may be open until the model has run once. A model that takes no
  // blanks (an encoder that knows no empty word) is checked at its first answer.
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
  ARROW_ASSIGN_OR_RAISE(OnnxInputs inputs, PlanOnnxInputs(session->inputs(), nullptr));
  ARROW_ASSIGN_OR_RAISE(const auto blank, BlankRow(inputs));
  Signature signature{.inputs = inputs.columns, .outputs = arrow::schema({})};
  ARROW_ASSIGN_OR_RAISE(const auto predictor,
                        Load(path, std::move(inputs), signature, std::move(session)));
  const auto outputs = predictor->OutputsOf(*blank);
  if (!outputs.ok()) {
    return Status::Invalid("cannot learn what the ONNX model '", path, "' gives from a blank row (",
                           outputs.status().message(), "); give a signature");
  }
  signature.outputs = *outputs;
  return signature;
}

}  // namespace tercet
