#include "server/vector_tensors.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <arrow/util/utf8.h>

#include "base/name.h"
#include "base/short_text.h"
#include "client/json_rows.h"
#include "server/inference_request.h"
#include "server/rest_arguments.h"
#include "server/tensor.h"

namespace tercet {
namespace {

/// What the answer's JSON says of a tensor.
struct TensorHead {
  std::string_view name, datatype;
  std::vector<int64_t> shape;
  size_t bytes = 0;
};

constexpr std::string_view kStatus = "$status";
/// A few keys may ask for many features: what an answer may take, values and statuses.
constexpr int64_t kMaxAnswerBytes = 256 << 20;
/// What a thread keeps for its next request.
constexpr size_t kKeptCells = 64 << 10;

Status CheckSize(const InferenceRequest& request, int64_t outputs) {
  const int64_t rows = request.inputs[0].rows;
  if (rows * outputs * static_cast<int64_t>(sizeof(double)) <= kMaxAnswerBytes) return Status::OK();
  return Status::CapacityError(rows, " entities with ", outputs, " features each are more than ",
                               "the ", kMaxAnswerBytes >> 20, " MiB that an answer of tensors may ",
                               "be; ask for fewer at once");
}

std::string HeadOf(const Ref& view, const InferenceRequest& request, bool all_present,
                   const std::vector<TensorHead>& tensors) {
  std::string head;
  head.reserve(128 + tensors.size() * 112);
  head += "{\"model_name\":";
  AppendJsonText(view.name, &head);
  if (view.version != 0) head += ",\"model_version\":\"" + std::to_string(view.version) + "\"";
  if (!request.id.empty()) {
    head += ",\"id\":";
    AppendJsonText(request.id, &head);
  }
  head += all_present ? ",\"parameters\":{\"all_present\":true},\"outputs\":["
                      : ",\"parameters\":{\"all_present\":false},\"outputs\":[";
  for (const TensorHead& tensor : tensors) {
    if (&tensor != tensors.data()) head.push_back(',');
    AppendTensorHead(tensor.name, tensor.datatype, tensor.shape, &head);
    AppendBinarySize(tensor.bytes, &head);
    head.push_back('}');
  }
  head += "]}";
  return head;
}

HttpAnswer BinaryAnswer(std::string body, size_t head_size) {
  HttpAnswer answer;
  answer.content_type = "application/octet-stream";
  answer.headers.emplace_back("Inference-Header-Content-Length", std::to_string(head_size));
  answer.body = std::move(body);
  return answer;
}

/// How many bytes a value of a number or boolean takes in a tensor; nullopt for other types.
std::optional<uint32_t> NumberWidth(const arrow::DataType& type) {
  if (type.id() == arrow::Type::BOOL) return 1;
  const bool number = arrow::is_integer(type.id()) || type.id() == arrow::Type::FLOAT ||
                      type.id() == arrow::Type::DOUBLE;
  if (!number) return std::nullopt;
  return static_cast<uint32_t>(type.byte_width());
}

/// What a tensor has where there is no value: NaN, or zero.
uint64_t NullBits(const arrow::DataType& type) {
  uint64_t bits = 0;
  if (type.id() == arrow::Type::DOUBLE) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    std::memcpy(&bits, &nan, sizeof(nan));
  } else if (type.id() == arrow::Type::FLOAT) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(&bits, &nan, sizeof(nan));
  }
  return bits;
}

/// The texts of a binary tensor, each with its length before it, as column `at` of cells that are
/// `width` a row. False when they are no UTF-8, or not as many as the shape says.
bool TextCells(const InputTensor& input, size_t width, size_t at, std::vector<Cell>* cells) {
  arrow::util::InitializeUTF8();
  std::string_view rest = *input.binary;
  for (size_t i = 0; i < static_cast<size_t>(input.rows); ++i) {
    uint32_t size = 0;
    if (rest.size() < sizeof(size)) return false;
    std::memcpy(&size, rest.data(), sizeof(size));
    rest.remove_prefix(sizeof(size));
    if (rest.size() < size || !arrow::util::ValidateUTF8(rest.substr(0, size))) return false;
    (*cells)[i * width + at] = {rest.data(), size};
    rest.remove_prefix(size);
  }
  return rest.empty();
}

/// The entities' cells, row by row, in the request's own bytes. False where the inputs are not just
/// the view's entity columns as binary texts, integers and floats of their own types.
bool CellsOf(const InferenceRequest& request, const arrow::Schema& entities,
             std::vector<Cell>* cells) {
  const auto width = static_cast<size_t>(entities.num_fields());
  if (request.inputs.size() != width) return false;
  const auto rows = static_cast<size_t>(request.inputs[0].rows);
  cells->resize(rows * width);
  for (const InputTensor& input : request.inputs) {
    const int at = entities.GetFieldIndex(input.name);
    if (at < 0 || !input.binary || input.width != 1) return false;
    const arrow::DataType& type = *entities.field(at)->type();
    if (arrow::is_string(type.id())) {
      const bool read = input.datatype == "BYTES" &&
                        TextCells(input, width, static_cast<size_t>(at), cells);
      if (!read) return false;
      continue;
    }
    const auto bytes = NumberWidth(type);
    if (!bytes || type.id() == arrow::Type::BOOL || DatatypeOf(type) != input.datatype ||
        input.binary->size() != rows * *bytes) {
      return false;
    }
    for (size_t i = 0; i < rows; ++i) {
      (*cells)[i * width + static_cast<size_t>(at)] = {input.binary->data() + i * *bytes, *bytes};
    }
  }
  return true;
}

/// Numbers by key, straight from the rows' bytes into the answer's; nullopt when the request, the
/// view or the store is not that plain.
Result<std::optional<HttpAnswer>> PlainVectors(Platform* platform, const Ref& view,
                                               const InferenceRequest& request) {
  if (!request.outputs.empty()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto reader, platform->Reader(view));
  if (reader == nullptr || reader->helpers()->num_fields() > 0) return std::nullopt;
  ARROW_RETURN_NOT_OK(CheckSize(request, reader->features()->num_fields()));
  thread_local std::vector<Cell> cells;
  if (cells.capacity() > kKeptCells) cells = {};
  if (!CellsOf(request, *reader->entities(), &cells)) return std::nullopt;
  const int64_t rows = request.inputs[0].rows;
  const auto count = static_cast<size_t>(rows);
  const arrow::FieldVector& features = reader->features()->fields();
  std::vector<TensorHead> tensors;
  std::vector<ColumnTarget> targets;
  tensors.reserve(features.size() + 1);
  targets.reserve(features.size());
  thread_local std::vector<uint8_t> status;
  if (status.capacity() > kKeptCells) status = {};
  status.assign(count * features.size(), 0);
  size_t values_size = 0;
  for (const auto& feature : features) {
    const auto width = NumberWidth(*feature->type());
    if (!width) return std::nullopt;
    tensors.push_back({.name = feature->name(),
                       .datatype = DatatypeOf(*feature->type()),
                       .shape = {rows},
                       .bytes = count * *width});
    targets.push_back({.values = nullptr,
                       .status = status.data() + targets.size() * count,
                       .width = *width,
                       .null_bits = NullBits(*feature->type())});
    values_size += tensors.back().bytes;
  }
  std::string body = HeadOf(view, request, true, tensors);
  const size_t head_size = body.size();
  body.resize(head_size + values_size);
  char* values = body.data() + head_size;
  for (size_t f = 0; f < targets.size(); ++f) {
    targets[f].values = values;
    values += tensors[f].bytes;
  }
  ARROW_ASSIGN_OR_RAISE(const ColumnsRead read,
                        reader->ReadColumns(cells, request.event_time_us, targets));
  if (read == ColumnsRead::kElsewhere) return std::nullopt;
  if (read == ColumnsRead::kWhole) return BinaryAnswer(std::move(body), head_size);
  tensors.push_back({.name = kStatus,
                     .datatype = "UINT8",
                     .shape = {rows, static_cast<int64_t>(features.size())},
                     .bytes = status.size()});
  std::string with_status = HeadOf(view, request, false, tensors);
  const size_t longer_head = with_status.size();
  with_status.append(body, head_size);
  for (size_t i = 0; i < count; ++i) {
    for (size_t f = 0; f < features.size(); ++f) {
      with_status.push_back(static_cast<char>(status[f * count + i]));
    }
  }
  return BinaryAnswer(std::move(with_status), longer_head);
}

uint8_t StatusOf(const arrow::Array* statuses, const arrow::Array& values, int64_t row) {
  static constexpr RowStatus kAll[] = {RowStatus::kPresent, RowStatus::kMissing,
                                       RowStatus::kExpired, RowStatus::kUnavailable,
                                       RowStatus::kStale};
  if (statuses != nullptr) {
    const auto text = static_cast<const arrow::StringArray&>(*statuses).GetView(row);
    for (const RowStatus status : kAll) {
      if (text == RowStatusName(status) && status != RowStatus::kPresent) {
        return static_cast<uint8_t>(status);
      }
    }
  }
  return values.IsNull(row) ? kNullValue : static_cast<uint8_t>(RowStatus::kPresent);
}

/// An output column, and what says of its values whether they are there.
struct Output {
  OutputTensor tensor;
  std::shared_ptr<arrow::Array> values;
  std::shared_ptr<arrow::Array> status;  ///< null: nothing but the values themselves
};

Result<std::vector<Output>> OutputsOf(const VectorData& data, const InferenceRequest& request) {
  std::vector<std::string> names;
  for (const auto& batch : {data.features, data.helpers}) {
    if (batch == nullptr) continue;
    for (const std::string& name : batch->schema()->field_names()) names.push_back(name);
  }
  std::vector<std::string> wanted;
  for (const auto& wish : request.outputs) wanted.push_back(wish.name);
  std::vector<Output> outputs;
  for (const std::string& name : wanted.empty() ? names : wanted) {
    const bool feature = data.features->schema()->GetFieldIndex(name) >= 0;
    const auto& batch = feature ? data.features : data.helpers;
    Output output;
    if (batch != nullptr) output.values = batch->GetColumnByName(name);
    if (output.values == nullptr) {
      const std::string wished = ShortText(name);
      return Status::Invalid("there is no output '", wished, "'", Suggest(wished, names));
    }
    if (feature) output.status = data.status->GetColumnByName(name);
    ARROW_ASSIGN_OR_RAISE(output.tensor, TensorOf(name, output.values));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Result<HttpAnswer> AnswerOf(const Ref& view, const InferenceRequest& request,
                            const VectorData& data) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Output> outputs, OutputsOf(data, request));
  const int64_t rows = data.features->num_rows();
  std::vector<TensorHead> tensors;
  std::string bytes;
  for (const Output& output : outputs) {
    const size_t before = bytes.size();
    ARROW_RETURN_NOT_OK(AppendTensorBytes(output.tensor, &bytes, TensorNulls::kZero));
    tensors.push_back({.name = output.tensor.name,
                       .datatype = output.tensor.datatype,
                       .shape = output.tensor.shape,
                       .bytes = bytes.size() - before});
  }
  std::string status;
  for (int64_t row = 0; row < rows; ++row) {
    for (const Output& output : outputs) {
      status.push_back(static_cast<char>(StatusOf(output.status.get(), *output.values, row)));
    }
  }
  const bool all_present = status.find_first_not_of('\0') == std::string::npos;
  if (!all_present) {
    tensors.push_back({.name = kStatus,
                       .datatype = "UINT8",
                       .shape = {rows, static_cast<int64_t>(outputs.size())},
                       .bytes = status.size()});
    bytes += status;
  }
  const std::string head = HeadOf(view, request, all_present, tensors);
  return BinaryAnswer(head + bytes, head.size());
}

}  // namespace

Result<HttpAnswer> TensorVectors(Platform* platform, VectorContracts* contracts, const Ref& view,
                                 const HttpRequest& http) {
  ARROW_ASSIGN_OR_RAISE(const InferenceRequest request,
                        ReadInferenceRequest(http.body, http.inference_header_length));
  VectorRequest vectors;
  vectors.event_time_us = request.event_time_us;
  ARROW_ASSIGN_OR_RAISE(vectors.training_dataset_version,
                        QueryInt(http, "training_dataset_version"));
  if (!vectors.training_dataset_version) {
    ARROW_ASSIGN_OR_RAISE(auto plain, PlainVectors(platform, view, request));
    if (plain) return *std::move(plain);
  }
  const auto answer =
      [&](const KnownContract<VectorContract>& known) -> Result<HttpAnswer> {
    const size_t outputs = request.outputs.size();
    ARROW_RETURN_NOT_OK(CheckSize(request, outputs > 0 ? static_cast<int64_t>(outputs)
                                                       : known.contract.features->num_fields()));
    ARROW_ASSIGN_OR_RAISE(
        vectors.entities,
        EntitiesOf(request, "feature view '" + view.ToText() + "'", *known.columns));
    ARROW_ASSIGN_OR_RAISE(const VectorData data, platform->Vectors(view, vectors));
    return AnswerOf(view, request, data);
  };
  return WithContract(contracts, view.ToText(), answer);
}

}  // namespace tercet
