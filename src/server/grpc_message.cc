#include "server/grpc_message.h"

#include "base/overload.h"
#include "base/short_text.h"
#include "base/time_text.h"
#include "server/model_statistics.h"

namespace tercet {
namespace {

using ::inference::InferTensorContents;
using ::inference::ModelInferRequest;

template <typename Value, typename List>
std::string BytesOf(const List& values) {
  std::string bytes;
  bytes.reserve(static_cast<size_t>(values.size()) * sizeof(Value));
  for (const auto one : values) {
    const Value value = static_cast<Value>(one);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

std::string SizedBytes(const InferTensorContents& contents) {
  std::string bytes;
  for (const std::string& text : contents.bytes_contents()) {
    const auto size = static_cast<uint32_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
    bytes.append(text);
  }
  return bytes;
}

/// The list of the tensor's datatype as the bytes of a raw tensor. A narrow integer that does not
/// fit is refused, not cut.
Result<std::string> RawBytes(const InputTensor& tensor, const InferTensorContents& contents) {
  const auto fits = [&](const auto& values, int64_t least, int64_t most) -> Status {
    for (const auto value : values) {
      if (value < least || value > most) {
        return Status::Invalid("input '", tensor.name, "' has the value ", value,
                               ", which is not of datatype ", tensor.datatype);
      }
    }
    return Status::OK();
  };
  const std::string& type = tensor.datatype;
  if (type == "BOOL") return BytesOf<uint8_t>(contents.bool_contents());
  if (type == "INT8") {
    ARROW_RETURN_NOT_OK(fits(contents.int_contents(), INT8_MIN, INT8_MAX));
    return BytesOf<int8_t>(contents.int_contents());
  }
  if (type == "INT16") {
    ARROW_RETURN_NOT_OK(fits(contents.int_contents(), INT16_MIN, INT16_MAX));
    return BytesOf<int16_t>(contents.int_contents());
  }
  if (type == "INT32") return BytesOf<int32_t>(contents.int_contents());
  if (type == "INT64") return BytesOf<int64_t>(contents.int64_contents());
  if (type == "UINT8") {
    ARROW_RETURN_NOT_OK(fits(contents.uint_contents(), 0, UINT8_MAX));
    return BytesOf<uint8_t>(contents.uint_contents());
  }
  if (type == "UINT16") {
    ARROW_RETURN_NOT_OK(fits(contents.uint_contents(), 0, UINT16_MAX));
    return BytesOf<uint16_t>(contents.uint_contents());
  }
  if (type == "UINT32") return BytesOf<uint32_t>(contents.uint_contents());
  if (type == "UINT64") return BytesOf<uint64_t>(contents.uint64_contents());
  if (type == "FP32") return BytesOf<float>(contents.fp32_contents());
  if (type == "FP64") return BytesOf<double>(contents.fp64_contents());
  if (type == "BYTES") return SizedBytes(contents);
  return Status::Invalid("input '", ShortText(tensor.name), "' of datatype '",
                         ShortText(type, 40), "' must be sent in raw_input_contents");
}

Result<std::optional<int64_t>> EventTime(const ModelInferRequest& message) {
  const auto found = message.parameters().find("event_time");
  if (found == message.parameters().end()) return std::nullopt;
  const ::inference::InferParameter& parameter = found->second;
  if (parameter.has_int64_param()) return parameter.int64_param();
  if (parameter.has_string_param()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t time_us, ParseTime(parameter.string_param()));
    return time_us;
  }
  return Status::Invalid("parameter 'event_time' must be a text or an int64");
}

template <typename Tensor>
Status CheckParameters(std::string_view noun, const Tensor& tensor) {
  if (tensor.parameters().empty()) return Status::OK();
  const std::string what = std::string(noun) + " '" + ShortText(tensor.name()) + "'";
  for (const auto& parameter : tensor.parameters()) {
    ARROW_RETURN_NOT_OK(CheckTensorParameter(what, parameter.first));
  }
  return Status::OK();
}

void WriteTensor(const TensorDescription& description,
                 ::inference::ModelMetadataResponse::TensorMetadata* tensor) {
  tensor->set_name(description.name);
  tensor->set_datatype(std::string(description.datatype));
  for (const int64_t size : description.shape) tensor->add_shape(size);
}

::inference::DataType ConfigTypeOf(std::string_view datatype) {
  ::inference::DataType type = ::inference::TYPE_INVALID;
  ::inference::DataType_Parse(ConfigType(datatype), &type);
  return type;
}

void WriteDuration(const StatisticDuration& from, ::inference::StatisticDuration* to) {
  to->set_count(static_cast<uint64_t>(from.count));
  to->set_ns(static_cast<uint64_t>(from.ns));
}

}  // namespace

Result<GrpcInferenceRequest> ReadGrpcRequest(const ModelInferRequest& message) {
  GrpcInferenceRequest read;
  InferenceRequest& request = read.request;
  request.id = message.id();
  request.binary_output = true;
  ARROW_ASSIGN_OR_RAISE(request.event_time_us, EventTime(message));
  if (message.inputs().empty()) return Status::Invalid("a request must have at least one input");
  for (const auto& input : message.inputs()) {
    ARROW_RETURN_NOT_OK(CheckParameters("input", input));
  }
  const bool raw = message.raw_input_contents_size() > 0;
  if (raw && message.raw_input_contents_size() != message.inputs_size()) {
    return Status::Invalid("there are ", message.inputs_size(), " inputs, but ",
                           message.raw_input_contents_size(), " raw contents");
  }
  for (int i = 0; i < message.inputs_size(); ++i) {
    const auto& input = message.inputs(i);
    InputTensor tensor;
    tensor.name = input.name();
    tensor.datatype = input.datatype();
    ARROW_RETURN_NOT_OK(SetShape({input.shape().begin(), input.shape().end()}, &tensor));
    if (raw) {
      if (input.has_contents()) {
        return Status::Invalid("input '", ShortText(tensor.name),
                               "' has contents beside raw_input_contents");
      }
      tensor.binary = message.raw_input_contents(i);
    } else {
      ARROW_ASSIGN_OR_RAISE(std::string bytes, RawBytes(tensor, input.contents()));
      tensor.binary = read.bytes.emplace_back(std::move(bytes));
    }
    ARROW_RETURN_NOT_OK(AddInput(std::move(tensor), &request));
  }
  for (const auto& output : message.outputs()) {
    ARROW_RETURN_NOT_OK(CheckParameters("output", output));
    request.outputs.push_back({.name = output.name(), .binary = true});
  }
  ARROW_RETURN_NOT_OK(CheckNames(request));
  return read;
}

Status WriteGrpcAnswer(const ModelInferRequest& request, const OpenInference::Answer& answer,
                       ::inference::ModelInferResponse* response) {
  response->set_model_name(request.model_name());
  response->set_model_version(std::to_string(answer.release_number));
  response->set_id(request.id());
  (*response->mutable_parameters())["release_id"].set_string_param(answer.release_id);
  if (!answer.missing.empty()) {
    std::string missing;
    for (const std::string& text : answer.missing) {
      missing += (missing.empty() ? "" : "; ") + text;
    }
    (*response->mutable_parameters())["missing"].set_string_param(missing);
  }
  for (const auto& [tensor, binary] : answer.outputs) {
    auto* output = response->add_outputs();
    output->set_name(tensor.name);
    output->set_datatype(std::string(tensor.datatype));
    for (const int64_t size : tensor.shape) output->add_shape(size);
    ARROW_RETURN_NOT_OK(AppendTensorBytes(tensor, response->add_raw_output_contents()));
  }
  return Status::OK();
}

void WriteGrpcMetadata(const std::string& name, const DeploymentContract& contract,
                       ::inference::ModelMetadataResponse* response) {
  response->set_name(name);
  response->add_versions(std::to_string(contract.release_number));
  response->set_platform("tercet");
  for (const auto& tensor : DescribeTensors(*contract.entities)) {
    WriteTensor(tensor, response->add_inputs());
  }
  for (const auto& tensor : DescribeTensors(*contract.outputs)) {
    WriteTensor(tensor, response->add_outputs());
  }
}

void WriteGrpcConfig(const std::string& name, const DeploymentContract& contract,
                     ::inference::ModelConfig* config) {
  config->set_name(name);
  config->set_platform("tercet");
  config->set_backend("tercet");
  config->set_max_batch_size(static_cast<int32_t>(kMaxInferenceRows));
  config->mutable_version_policy()->mutable_specific()->add_versions(contract.release_number);
  for (const auto& tensor : DescribeTensors(*contract.entities)) {
    auto* input = config->add_input();
    input->set_name(tensor.name);
    input->set_data_type(ConfigTypeOf(tensor.datatype));
    input->add_dims(tensor.shape[1]);
  }
  for (const auto& tensor : DescribeTensors(*contract.outputs)) {
    auto* output = config->add_output();
    output->set_name(tensor.name);
    output->set_data_type(ConfigTypeOf(tensor.datatype));
    output->add_dims(tensor.shape[1]);
  }
}

void WriteGrpcStatistics(const std::string& name, const ReleaseStatistics& release,
                         ::inference::ModelStatistics* statistics) {
  const TritonStatistics triton(release);
  statistics->set_name(name);
  statistics->set_version(std::to_string(release.number));
  statistics->set_last_inference(static_cast<uint64_t>(release.last_us / 1000));
  statistics->set_inference_count(static_cast<uint64_t>(release.rows));
  statistics->set_execution_count(static_cast<uint64_t>(release.successes));
  auto* inference = statistics->mutable_inference_stats();
  WriteDuration(triton.success, inference->mutable_success());
  WriteDuration(triton.fail, inference->mutable_fail());
  WriteDuration(triton.queue, inference->mutable_queue());
  WriteDuration(triton.compute_input, inference->mutable_compute_input());
  WriteDuration(triton.compute_infer, inference->mutable_compute_infer());
  WriteDuration(triton.compute_output, inference->mutable_compute_output());
  WriteDuration({}, inference->mutable_cache_hit());
  WriteDuration({}, inference->mutable_cache_miss());
  for (const auto& [rows, batch] : release.batches) {
    auto* one = statistics->add_batch_stats();
    one->set_batch_size(static_cast<uint64_t>(rows));
    WriteDuration({batch[0], 0}, one->mutable_compute_input());
    WriteDuration({batch[0], batch[1]}, one->mutable_compute_infer());
    WriteDuration({batch[0], 0}, one->mutable_compute_output());
  }
}

grpc::Status GrpcStatusOf(const Status& status) {
  const auto with = [&](grpc::StatusCode code) {
    return grpc::Status(code, std::string(status.message()));
  };
  if (RetryAfterSeconds(status)) return with(grpc::StatusCode::RESOURCE_EXHAUSTED);
  if (IsTooLate(status)) return with(grpc::StatusCode::DEADLINE_EXCEEDED);
  switch (status.code()) {
    case arrow::StatusCode::OK:
      return grpc::Status::OK;
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
      return with(grpc::StatusCode::INVALID_ARGUMENT);
    case arrow::StatusCode::KeyError:
      return with(grpc::StatusCode::NOT_FOUND);
    case arrow::StatusCode::AlreadyExists:
      return with(grpc::StatusCode::ALREADY_EXISTS);
    case arrow::StatusCode::Cancelled:
      return with(grpc::StatusCode::ABORTED);
    case arrow::StatusCode::CapacityError:
      return with(grpc::StatusCode::OUT_OF_RANGE);
    case arrow::StatusCode::NotImplemented:
      return with(grpc::StatusCode::UNIMPLEMENTED);
    case arrow::StatusCode::IOError:
      return with(grpc::StatusCode::UNAVAILABLE);
    default:
      return with(grpc::StatusCode::INTERNAL);
  }
}

}  // namespace tercet
