#include "server/inference_request.h"

#include <algorithm>
#include <charconv>

#include <arrow/record_batch.h>

#include "base/name.h"
#include "base/short_text.h"
#include "base/utf8.h"
#include "client/wire.h"

namespace tercet {
namespace {

constexpr int64_t kMaxRows = 1'000'000;
constexpr int64_t kMaxValues = 64'000'000;

/// Hands out the bytes behind the JSON in the order of the inputs.
class BinaryTail {
 public:
  explicit BinaryTail(std::string_view bytes) : rest_(bytes) {}

  Result<std::string_view> Take(const std::string& name, int64_t size) {
    if (size < 0 || static_cast<size_t>(size) > rest_.size()) {
      return Status::Invalid("input '", name, "' says that it has ", size,
                             " bytes of binary data, but only ", rest_.size(), " are left");
    }
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(size));
    rest_.remove_prefix(static_cast<size_t>(size));
    return taken;
  }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

/// As FindObject and FindArray, without a copy; null where there is none.
Result<const json::object*> ObjectIn(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const json::object* found = value == nullptr ? nullptr : value->if_object();
  if (found == nullptr) ARROW_RETURN_NOT_OK(FindObject(object, key));
  return found;
}

Result<const json::array*> ArrayIn(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const json::array* found = value == nullptr ? nullptr : value->if_array();
  if (found == nullptr) ARROW_RETURN_NOT_OK(FindArray(object, key));
  return found;
}

/// What the parameters of a tensor say, which has none where they are null. `what`: "input 'x'".
Status CheckTensorParameters(std::string_view noun, std::string_view name,
                             const json::object* parameters) {
  if (parameters == nullptr) return Status::OK();
  const std::string what = std::string(noun) + " '" + ShortText(name) + "'";
  for (const auto& parameter : *parameters) {
    ARROW_RETURN_NOT_OK(CheckTensorParameter(what, parameter.key()));
  }
  return Status::OK();
}

Status ReadShape(const json::array& shape, InputTensor* tensor) {
  std::vector<int64_t> sizes;
  sizes.reserve(shape.size());
  for (const json::value& size : shape) {
    if (!size.is_int64()) {
      return Status::Invalid("input '", tensor->name, "' has the shape ",
                             ShortText(ToText(shape)), ", which must be integers");
    }
    sizes.push_back(size.as_int64());
  }
  return SetShape(sizes, tensor);
}

Result<InputTensor> ReadInput(const json::object& object, BinaryTail* tail) {
  InputTensor tensor;
  ARROW_ASSIGN_OR_RAISE(tensor.name, GetString(object, "name"));
  const auto what = [&] { return "input '" + ShortText(tensor.name) + "'"; };
  Result<std::string> datatype = GetString(object, "datatype");
  if (!datatype.ok()) return Explain(datatype.status(), what());
  tensor.datatype = *std::move(datatype);
  ARROW_ASSIGN_OR_RAISE(const json::array* shape, ArrayIn(object, "shape"));
  ARROW_RETURN_NOT_OK(shape == nullptr ? SetShape({}, &tensor) : ReadShape(*shape, &tensor));
  ARROW_ASSIGN_OR_RAISE(const json::object* parameters, ObjectIn(object, "parameters"));
  ARROW_RETURN_NOT_OK(CheckTensorParameters("input", tensor.name, parameters));
  // MLServer's codec, which makes a text stand for other bytes.
  const json::value* codec =
      parameters == nullptr ? nullptr : parameters->if_contains("content_type");
  if (codec != nullptr && *codec == json::value("base64")) {
    return Status::NotImplemented(
        what(), " has the content_type 'base64'; send the text itself, or its bytes as binary "
                "data");
  }
  std::optional<int64_t> binary_size;
  if (parameters != nullptr) {
    ARROW_ASSIGN_OR_RAISE(binary_size, FindInt(*parameters, "binary_data_size"));
  }
  tensor.data = object.if_contains("data");
  if (binary_size.has_value() == (tensor.data != nullptr)) {
    return Status::Invalid(what(), " must have either 'data' or 'parameters.binary_data_size'");
  }
  if (binary_size) {
    ARROW_ASSIGN_OR_RAISE(tensor.binary, tail->Take(tensor.name, *binary_size));
  }
  return tensor;
}

Result<InferenceRequest::Wish> ReadWish(const json::value& value, bool binary_default) {
  if (!value.is_object()) return Status::Invalid("'outputs' must be objects");
  InferenceRequest::Wish wish;
  ARROW_ASSIGN_OR_RAISE(wish.name, GetString(value.as_object(), "name"));
  ARROW_ASSIGN_OR_RAISE(const json::object* parameters,
                        ObjectIn(value.as_object(), "parameters"));
  ARROW_RETURN_NOT_OK(CheckTensorParameters("output", wish.name, parameters));
  wish.binary = binary_default;
  if (parameters != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto binary, FindBool(*parameters, "binary_data"));
    wish.binary = binary.value_or(binary_default);
  }
  return wish;
}

/// A column's type as that of its values and how many a row has: 1, or 0 for lists of any length.
std::pair<std::shared_ptr<arrow::DataType>, int64_t> ElementOf(
    const std::shared_ptr<arrow::DataType>& type) {
  if (!arrow::is_list_like(type->id())) return {type, 1};
  const bool fixed = type->id() == arrow::Type::FIXED_SIZE_LIST;
  return {type->field(0)->type(),
          fixed ? static_cast<const arrow::FixedSizeListType&>(*type).list_size() : 0};
}

Result<size_t> JsonSize(std::string_view body, std::string_view header_length) {
  if (header_length.empty()) return body.size();
  size_t size = 0;
  const char* end = header_length.data() + header_length.size();
  const auto read = std::from_chars(header_length.data(), end, size);
  if (read.ec != std::errc() || read.ptr != end || size > body.size()) {
    return Status::Invalid("Inference-Header-Content-Length '", ShortText(header_length, 40),
                           "' must be at most the body's ", body.size(), " bytes");
  }
  return size;
}

}  // namespace

Status SetShape(const std::vector<int64_t>& shape, InputTensor* tensor) {
  int64_t width = shape.empty() ? 0 : 1;
  for (size_t i = 1; i < shape.size() && width > 0; ++i) {
    width = shape[i] > 0 && shape[i] <= kMaxValues / width ? width * shape[i] : 0;
  }
  if (width == 0) {
    std::string text;
    for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return Status::Invalid("input '", ShortText(tensor->name), "' has the shape [",
                           ShortText(text),
                           "], which must be [n], [n, 1] or, for lists, [n, k …], with at most ",
                           kMaxValues, " values a row");
  }
  tensor->rows = shape[0];
  tensor->width = width;
  if (tensor->rows < 1 || tensor->rows > kMaxRows) {
    return Status::Invalid("input '", ShortText(tensor->name), "' has ", tensor->rows,
                           " rows; 1 to ", kMaxRows, " are answered at once");
  }
  if (tensor->width > kMaxValues / tensor->rows) {
    return Status::Invalid("input '", ShortText(tensor->name), "' has more than ", kMaxValues,
                           " values");
  }
  return Status::OK();
}

Status AddInput(InputTensor tensor, InferenceRequest* request) {
  if (!request->inputs.empty() && request->inputs[0].rows != tensor.rows) {
    return Status::Invalid("input '", ShortText(tensor.name), "' has ", tensor.rows,
                           " rows, but '", ShortText(request->inputs[0].name), "' has ",
                           request->inputs[0].rows);
  }
  request->inputs.push_back(std::move(tensor));
  return Status::OK();
}

Status CheckNames(const InferenceRequest& request) {
  std::vector<std::string_view> names;
  const auto check = [&names](std::string_view what) -> Status {
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return Status::OK();
    return Status::Invalid(what, " '", ShortText(*twice), "' is given twice");
  };
  for (const InputTensor& input : request.inputs) names.push_back(input.name);
  ARROW_RETURN_NOT_OK(check("input"));
  names.clear();
  for (const InferenceRequest::Wish& output : request.outputs) names.push_back(output.name);
  return check("output");
}

Status CheckTensorParameter(std::string_view what, std::string_view parameter) {
  if (parameter != "classification" && !parameter.starts_with("shared_memory")) {
    return Status::OK();
  }
  return Status::NotImplemented(what, " has the parameter '", ShortText(parameter),
                                "', of an extension that is not among those that this server's "
                                "metadata lists");
}

Result<InferenceRequest> ReadInferenceRequest(std::string_view body,
                                              std::string_view header_length) {
  ARROW_ASSIGN_OR_RAISE(const size_t json_size, JsonSize(body, header_length));
  InferenceRequest request;
  ARROW_ASSIGN_OR_RAISE(json::object read,
                        request.json->memory.ParseObject(body.substr(0, json_size)));
  const json::object& object = request.json->object.emplace(std::move(read));
  ARROW_ASSIGN_OR_RAISE(const auto id, FindString(object, "id"));
  request.id = id.value_or("");
  ARROW_ASSIGN_OR_RAISE(const json::object* parameters, ObjectIn(object, "parameters"));
  if (parameters != nullptr) {
    ARROW_ASSIGN_OR_RAISE(request.event_time_us, FindTime(*parameters, "event_time"));
    ARROW_ASSIGN_OR_RAISE(const auto binary, FindBool(*parameters, "binary_data_output"));
    request.binary_output = binary.value_or(false);
  }

  const json::value* inputs = object.if_contains("inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->as_array().empty()) {
    return Status::Invalid("'inputs' must be a list of at least one tensor");
  }
  request.inputs.reserve(inputs->as_array().size());
  BinaryTail tail(body.substr(json_size));
  for (const json::value& input : inputs->as_array()) {
    if (!input.is_object()) return Status::Invalid("'inputs' must be objects");
    ARROW_ASSIGN_OR_RAISE(InputTensor tensor, ReadInput(input.as_object(), &tail));
    ARROW_RETURN_NOT_OK(AddInput(std::move(tensor), &request));
  }
  if (tail.left() > 0) {
    return Status::Invalid("the body has ", tail.left(), " bytes that no input claims");
  }
  ARROW_ASSIGN_OR_RAISE(const json::array* outputs, ArrayIn(object, "outputs"));
  if (outputs != nullptr) {
    for (const json::value& output : *outputs) {
      ARROW_ASSIGN_OR_RAISE(request.outputs.emplace_back(),
                            ReadWish(output, request.binary_output));
    }
  }
  ARROW_RETURN_NOT_OK(CheckNames(request));
  return request;
}

Result<InferenceRequest> ReadRawRequest(std::string_view body, const arrow::Schema& needed) {
  const auto refuse = [&](const auto&... why) {
    return Status::Invalid("a body that is all binary (Inference-Header-Content-Length: 0) is one "
                           "tensor, ", why...);
  };
  if (needed.num_fields() == 0) return refuse("and the model takes none");
  const auto& first = needed.field(0)->type();
  const auto [element, size] = ElementOf(first);
  InputTensor tensor;
  tensor.datatype = DatatypeOf(*element);
  tensor.width = size * needed.num_fields();
  for (const auto& field : needed.fields()) {
    if (needed.num_fields() == 1) tensor.name = field->name();
    if (field->type()->Equals(*first) && (needed.num_fields() == 1 || size == 1)) continue;
    return refuse("but the model's ", needed.num_fields(), " inputs are no matrix of one datatype");
  }
  InferenceRequest request;
  request.binary_output = true;
  if (tensor.datatype == "BYTES") {
    if (tensor.width != 1 || !arrow::is_string(element->id()) || !IsUtf8(body)) {
      return refuse("of numbers, or one text in UTF-8");
    }
    tensor.rows = 1;
    tensor.data = &(request.json->object.emplace()["data"] = json::string(body));
  } else {
    const size_t row = static_cast<size_t>(tensor.width * std::max(element->bit_width(), 8) / 8);
    if (row == 0) return refuse("and how long one of the model's lists is is open");
    if (body.empty() || body.size() % row != 0) {
      return refuse("whose rows have ", row, " bytes; ", body.size(), " are no whole rows");
    }
    ARROW_RETURN_NOT_OK(
        SetShape({static_cast<int64_t>(body.size() / row), tensor.width}, &tensor));
    tensor.binary = body;
  }
  request.inputs.push_back(std::move(tensor));
  return request;
}

Result<std::shared_ptr<arrow::RecordBatch>> EntitiesOf(const InferenceRequest& request,
                                                       std::string_view whose,
                                                       const arrow::Schema& known) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const InputTensor& input : request.inputs) {
    const int index = known.GetFieldIndex(input.name);
    if (index < 0) {
      return Status::Invalid(whose, " has no input '", ShortText(input.name), "'",
                              Suggest(input.name, known.field_names()));
    }
    const auto& field = known.field(index);
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ColumnOf(input, field->type()));
    fields.push_back(field->WithNullable(true));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), request.inputs[0].rows,
                                  std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> EntitiesOf(const InferenceRequest& request,
                                                       std::string_view whose,
                                                       const arrow::Schema& needed,
                                                       const arrow::Schema& known) {
  const InputTensor& first = request.inputs[0];
  const bool nameless = request.inputs.size() == 1 && known.GetFieldIndex(first.name) < 0;
  const bool only = nameless && known.num_fields() == 1 && needed.num_fields() == 1;
  const bool matrix = nameless && first.width > 1 && first.width == needed.num_fields();
  if (!only && !matrix) return EntitiesOf(request, whose, known);
  arrow::FieldVector fields;
  for (const auto& field : needed.fields()) fields.push_back(field->WithNullable(true));
  arrow::ArrayVector columns(1);
  if (only) {
    ARROW_ASSIGN_OR_RAISE(columns[0], ColumnOf(first, needed.field(0)->type()));
  } else {
    ARROW_ASSIGN_OR_RAISE(columns, ColumnsOf(first, needed));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), first.rows,
                                  std::move(columns));
}

}  // namespace tercet
