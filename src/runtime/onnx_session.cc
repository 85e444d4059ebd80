#include "runtime/onnx_session.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>

#include <onnxruntime_cxx_api.h>

namespace tercet {
namespace {

/// One environment for the process, as ONNX Runtime wants it; it logs nothing, failures are
/// returned.
Ort::Env& Environment() {
  static auto* environment = new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "tercet");
  return *environment;
}

struct Element {
  ONNXTensorElementDataType onnx;
  std::shared_ptr<arrow::DataType> type;
};

const std::vector<Element>& Elements() {
  static const auto* elements = new std::vector<Element>{
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, arrow::float32()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, arrow::float64()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, arrow::float16()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, arrow::int64()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, arrow::int32()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, arrow::int16()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, arrow::int8()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, arrow::uint64()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, arrow::uint32()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, arrow::uint16()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, arrow::uint8()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, arrow::boolean()},
      {ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, arrow::utf8()},
  };
  return *elements;
}

/// Null for what no column holds (complex numbers, four bits).
std::shared_ptr<arrow::DataType> TypeOf(ONNXTensorElementDataType onnx) {
  for (const Element& element : Elements()) {
    if (element.onnx == onnx) return element.type;
  }
  return nullptr;
}

ONNXTensorElementDataType ElementOf(const arrow::DataType& type) {
  for (const Element& element : Elements()) {
    if (element.type->id() == type.id()) return element.onnx;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

int64_t Product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
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
                                  "; floating-point numbers, integers, bool and string are taken");
  }
  if (described.shape.empty()) {
    return Status::NotImplemented("ONNX ", side, " '", described.name,
                                  "' has no dimensions; the first is taken for the rows");
  }
  return described;
}

}  // namespace

int64_t OnnxOutput::width() const {
  return Product({shape.begin() + 1, shape.end()});
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
    // A GPU by request alone, since its answers are not the CPU's bit for bit. What it can't do,
    // the CPU does; that the library has no such provider is told by ONNX Runtime.
    const char* const provider = std::getenv("TERCET_ONNX_PROVIDER");
    const std::string_view wanted = provider == nullptr ? "" : provider;
    if (wanted == "cuda") {
      options.AppendExecutionProvider_CUDA(OrtCUDAProviderOptions{});
    } else if (!wanted.empty() && wanted != "cpu") {
      throw Ort::Exception("TERCET_ONNX_PROVIDER is '" + std::string(wanted) +
                               "'; there are cpu and cuda",
                           ORT_INVALID_ARGUMENT);
    }
    return options;
  }

  /// A tensor over the caller's numbers; words are copied.
  Ort::Value Tensor(const OnnxTensor& tensor, const OnnxInput& input) const {
    const std::vector<int64_t>& shape = input.shape;
    const auto count = static_cast<size_t>(Product(shape));
    if (tensor.words()) {
      Ort::AllocatorWithDefaultOptions allocator;
      Ort::Value value = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(),
                                                  ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
      // By length: what takes C strings would cut a word at a zero byte.
      for (size_t i = 0; i < count; ++i) {
        const std::string& word = input.words[i];
        std::memcpy(value.GetResizedStringTensorElementBuffer(i, word.size()), word.data(),
                    word.size());
      }
      return value;
    }
    // ONNX Runtime takes inputs by non-const pointer and does not write to them.
    return Ort::Value::CreateTensor(memory, const_cast<uint8_t*>(input.numbers),
                                    count * static_cast<size_t>(tensor.element_bytes()),
                                    shape.data(), shape.size(), ElementOf(*tensor.type));
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

Result<std::vector<OnnxOutput>> OnnxSession::Run(const std::vector<OnnxInput>& inputs,
                                                 int64_t rows) const {
  std::vector<OnnxOutput> outputs;
  try {
    std::vector<Ort::Value> tensors;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      tensors.push_back(impl_->Tensor(inputs_[i], inputs[i]));
    }
    const std::vector<Ort::Value> results = impl_->session.Run(
        Ort::RunOptions{nullptr}, impl_->input_names.data(), tensors.data(), tensors.size(),
        impl_->output_names.data(), impl_->output_names.size());
    for (size_t o = 0; o < results.size(); ++o) {
      const auto info = results[o].GetTensorTypeAndShapeInfo();
      const auto count = info.GetElementCount();
      OnnxOutput& output = outputs.emplace_back();
      output.shape = info.GetShape();
      if (output.shape.empty() || output.shape[0] != rows) {
        return Status::ExecutionError("ONNX output '", outputs_[o].name, "' has ", count,
                                      " elements for ", rows,
                                      " rows; its first dimension must be the rows");
      }
      if (outputs_[o].words()) {
        for (size_t i = 0; i < count; ++i) {
          output.words.push_back(results[o].GetStringTensorElement(i));
        }
      } else {
        const auto* data = static_cast<const uint8_t*>(results[o].GetTensorRawData());
        output.numbers.assign(data,
                              data + count * static_cast<size_t>(outputs_[o].element_bytes()));
      }
    }
  } catch (const Ort::Exception& error) {
    return Status::ExecutionError("the ONNX model failed: ", error.what());
  }
  return outputs;
}

}  // namespace tercet
