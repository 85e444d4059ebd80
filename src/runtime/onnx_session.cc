#include "runtime/onnx_session.h"

#include <type_traits>

#include <onnxruntime_cxx_api.h>

namespace tercet {
namespace {

/// One environment for the process, as ONNX Runtime wants it; it logs nothing, failures are
/// returned.
Ort::Env& Environment() {
  static auto* environment = new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "tercet");
  return *environment;
}

std::shared_ptr<arrow::DataType> TypeOf(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: return arrow::float32();
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE: return arrow::float64();
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: return arrow::int64();
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: return arrow::int32();
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL: return arrow::boolean();
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING: return arrow::utf8();
    default: return nullptr;
  }
}

Result<OnnxTensor> Describe(std::string name, const Ort::TypeInfo& info, std::string_view side) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    return Status::NotImplemented("ONNX ", side, " '", name,
                                  "' is not a tensor (a list of maps?); export a scikit-learn "
                                  "classifier with options={'zipmap': False}");
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  OnnxTensor described{std::move(name), TypeOf(tensor.GetElementType()), tensor.GetShape()};
  if (described.type == nullptr) {
    return Status::NotImplemented("ONNX ", side, " '", described.name, "' has the element type ",
                                  static_cast<int>(tensor.GetElementType()),
                                  "; float, double, int64, int32, bool and string are taken");
  }
  if (described.shape.empty() || described.shape.size() > 2) {
    return Status::NotImplemented("ONNX ", side, " '", described.name, "' has ",
                                  described.shape.size(),
                                  " dimensions; (rows) and (rows, columns) are taken");
  }
  return described;
}

}  // namespace

OnnxValues OnnxTensor::Values(size_t count) const {
  switch (type->id()) {
    case arrow::Type::FLOAT: return std::vector<float>(count);
    case arrow::Type::DOUBLE: return std::vector<double>(count);
    case arrow::Type::INT64: return std::vector<int64_t>(count);
    case arrow::Type::INT32: return std::vector<int32_t>(count);
    case arrow::Type::BOOL: return std::vector<uint8_t>(count);
    default: return std::vector<std::string>(count);
  }
}

class OnnxSession::Impl {
 public:
  explicit Impl(const std::string& path)
      : memory(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault)),
        session(Environment(), path.c_str(), Options()) {}

  static Ort::SessionOptions Options() {
    Ort::SessionOptions options;
    // The caller's threads are the pool: rows are divided among them, not operators.
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    return options;
  }

  /// A tensor over the caller's values (words are copied).
  Ort::Value Tensor(const OnnxTensor& tensor, const OnnxValues& values, int64_t width,
                    int64_t begin, int64_t rows) {
    std::vector<int64_t> shape = {rows};
    if (tensor.shape.size() == 2) shape.push_back(width);
    const auto first = static_cast<size_t>(begin * width);
    const auto count = static_cast<size_t>(rows * width);
    return std::visit(
        [&](const auto& list) {
          using Item = typename std::decay_t<decltype(list)>::value_type;
          if constexpr (std::is_same_v<Item, std::string>) {
            Ort::AllocatorWithDefaultOptions allocator;
            Ort::Value value = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(),
                                                        ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
            std::vector<const char*> words;
            for (size_t i = first; i < first + count; ++i) words.push_back(list[i].c_str());
            value.FillStringTensor(words.data(), words.size());
            return value;
          } else {
            // ONNX Runtime takes inputs by non-const pointer and does not write to them.
            auto* items = const_cast<Item*>(list.data()) + first;
            if constexpr (std::is_same_v<Item, uint8_t>) {
              return Ort::Value::CreateTensor<bool>(memory, reinterpret_cast<bool*>(items), count,
                                                    shape.data(), shape.size());
            } else {
              return Ort::Value::CreateTensor<Item>(memory, items, count, shape.data(),
                                                    shape.size());
            }
          }
        },
        values);
  }

  const Ort::MemoryInfo memory;
  Ort::Session session;
  std::vector<const char*> input_names, output_names;  ///< of the session's tensors
};

OnnxSession::OnnxSession() = default;
OnnxSession::~OnnxSession() = default;

Result<std::unique_ptr<OnnxSession>> OnnxSession::Open(const std::string& path) {
  std::unique_ptr<OnnxSession> opened(new OnnxSession());
  try {
    opened->impl_ = std::make_unique<Impl>(path);
    Ort::Session& session = opened->impl_->session;
    Ort::AllocatorWithDefaultOptions allocator;
    for (size_t i = 0; i < session.GetInputCount(); ++i) {
      ARROW_ASSIGN_OR_RAISE(OnnxTensor tensor,
                            Describe(session.GetInputNameAllocated(i, allocator).get(),
                                     session.GetInputTypeInfo(i), "input"));
      opened->inputs_.push_back(std::move(tensor));
    }
    for (size_t i = 0; i < session.GetOutputCount(); ++i) {
      ARROW_ASSIGN_OR_RAISE(OnnxTensor tensor,
                            Describe(session.GetOutputNameAllocated(i, allocator).get(),
                                     session.GetOutputTypeInfo(i), "output"));
      opened->outputs_.push_back(std::move(tensor));
    }
  } catch (const Ort::Exception& error) {
    return Status::IOError("cannot load the ONNX model '", path, "': ", error.what());
  }
  if (opened->inputs_.empty() || opened->outputs_.empty()) {
    return Status::IOError("the ONNX model '", path, "' has no inputs or no outputs");
  }
  for (const OnnxTensor& tensor : opened->inputs_) {
    opened->impl_->input_names.push_back(tensor.name.c_str());
  }
  for (const OnnxTensor& tensor : opened->outputs_) {
    opened->impl_->output_names.push_back(tensor.name.c_str());
  }
  return opened;
}

Result<OnnxSession::Answer> OnnxSession::Run(const std::vector<OnnxValues>& values,
                                             const std::vector<int64_t>& widths, int64_t begin,
                                             int64_t rows) const {
  Answer answer;
  try {
    std::vector<Ort::Value> tensors;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      tensors.push_back(impl_->Tensor(inputs_[i], values[i], widths[i], begin, rows));
    }
    std::vector<Ort::Value> results = impl_->session.Run(
        Ort::RunOptions{nullptr}, impl_->input_names.data(), tensors.data(), tensors.size(),
        impl_->output_names.data(), impl_->output_names.size());
    for (size_t o = 0; o < results.size(); ++o) {
      const auto info = results[o].GetTensorTypeAndShapeInfo();
      const auto count = static_cast<int64_t>(info.GetElementCount());
      const std::vector<int64_t> shape = info.GetShape();
      if (shape.empty() || shape[0] != rows || (rows > 0 && count % rows != 0)) {
        return Status::ExecutionError("ONNX output '", outputs_[o].name, "' has ", count,
                                      " numbers for ", rows, " rows");
      }
      answer.widths.push_back(rows == 0 ? 0 : count / rows);
      OnnxValues list = outputs_[o].Values(static_cast<size_t>(count));
      std::visit(
          [&](auto& items) {
            using Item = typename std::decay_t<decltype(items)>::value_type;
            if constexpr (std::is_same_v<Item, std::string>) {
              for (size_t i = 0; i < items.size(); ++i) {
                items[i] = results[o].GetStringTensorElement(i);
              }
            } else {
              const auto* data = static_cast<const Item*>(results[o].GetTensorRawData());
              items.assign(data, data + count);
            }
          },
          list);
      answer.values.push_back(std::move(list));
    }
  } catch (const Ort::Exception& error) {
    return Status::ExecutionError("the ONNX model failed: ", error.what());
  }
  return answer;
}

}  // namespace tercet
