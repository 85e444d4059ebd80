#include "runtime/onnx_graph.h"

#include <cstdint>
#include <functional>

namespace tercet {
namespace {

// Fields of onnx.proto that lead to the operators' names.
constexpr uint64_t kModelGraph = 7, kGraphNode = 1, kNodeOperator = 4, kNodeAttribute = 5;
constexpr uint64_t kAttributeGraph = 6, kAttributeGraphs = 11;
constexpr int kMaxDepth = 16;

/// Operators that are exact, or round each number by itself as IEEE 754 says.
constexpr std::string_view kIndependent[] = {
    "Abs", "Add", "And", "ArgMax", "ArgMin", "ArrayFeatureExtractor", "Binarizer", "Cast",
    "CategoryMapper", "Clip", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand",
    "FeatureVectorizer", "Flatten", "Gather", "Greater", "GreaterOrEqual", "Identity", "Imputer",
    "IsNaN", "LabelEncoder", "Less", "LessOrEqual", "Max", "Min", "Mul", "Neg", "Not",
    "OneHotEncoder", "Or", "Relu", "Reshape", "Scaler", "Shape", "Sign", "Slice", "Squeeze", "Sub",
    "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "Unsqueeze", "Where"};

/// A walk over the fields of one protobuf message
/// (https://protobuf.dev/programming-guides/encoding).
class Message {
 public:
  explicit Message(std::string_view bytes) : bytes_(bytes) {}

  /// Calls `visit(field number, bytes)` for each length-delimited field.
  Status Visit(const std::function<Status(uint64_t, std::string_view)>& visit) {
    while (at_ < bytes_.size()) {
      ARROW_ASSIGN_OR_RAISE(const uint64_t key, TakeVarint());
      switch (key & 7) {
        case 0: ARROW_RETURN_NOT_OK(TakeVarint().status()); break;
        case 1: ARROW_RETURN_NOT_OK(TakeBytes(8).status()); break;
        case 5: ARROW_RETURN_NOT_OK(TakeBytes(4).status()); break;
        case 2: {
          ARROW_ASSIGN_OR_RAISE(const uint64_t length, TakeVarint());
          ARROW_ASSIGN_OR_RAISE(const std::string_view value, TakeBytes(length));
          ARROW_RETURN_NOT_OK(visit(key >> 3, value));
          break;
        }
        default: return Malformed();
      }
    }
    return Status::OK();
  }

 private:
  static Status Malformed() { return Status::IOError("malformed ONNX model: not a protobuf"); }

  Result<uint64_t> TakeVarint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return Malformed();
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Malformed();
  }

  Result<std::string_view> TakeBytes(uint64_t length) {
    if (length > bytes_.size() - at_) return Malformed();
    const std::string_view value = bytes_.substr(at_, length);
    at_ += length;
    return value;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
};

Status VisitGraph(std::string_view graph, int depth, bool* independent) {
  if (depth > kMaxDepth) return Status::IOError("malformed ONNX model: nested too deep");
  return Message(graph).Visit([&](uint64_t field, std::string_view node) {
    if (field != kGraphNode) return Status::OK();
    return Message(node).Visit([&](uint64_t member, std::string_view value) {
      if (member == kNodeOperator) {
        bool known = false;
        for (const std::string_view name : kIndependent) known = known || name == value;
        *independent = *independent && known;
      }
      if (member != kNodeAttribute) return Status::OK();
      return Message(value).Visit([&](uint64_t part, std::string_view inner) {
        if (part != kAttributeGraph && part != kAttributeGraphs) return Status::OK();
        return VisitGraph(inner, depth + 1, independent);
      });
    });
  });
}

}  // namespace

Result<bool> RowsAreIndependent(std::string_view model) {
  bool independent = true;
  ARROW_RETURN_NOT_OK(Message(model).Visit([&](uint64_t field, std::string_view graph) {
    return field == kModelGraph ? VisitGraph(graph, 0, &independent) : Status::OK();
  }));
  return independent;
}

}  // namespace tercet
