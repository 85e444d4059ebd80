#pragma once

#include <deque>
#include <string>

#include <grpcpp/support/status.h>

#include <inference.pb.h>

#include "server/inference_request.h"
#include "server/open_inference.h"

namespace tercet {

/// Messages of the Open Inference Protocol over gRPC, to and from what both of its doors share.

/// A request with the bytes of tensors that came as lists of numbers. Views into the message too.
struct GrpcInferenceRequest {
  InferenceRequest request;
  std::deque<std::string> bytes;
};

/// Reads raw tensors, or typed contents. Invalid for whatever the protocol does not allow.
Result<GrpcInferenceRequest> ReadGrpcRequest(const ::inference::ModelInferRequest& message);

/// The answer with raw tensors. Invalid for a null that a raw tensor can't say.
Status WriteGrpcAnswer(const ::inference::ModelInferRequest& request,
                       const OpenInference::Answer& answer,
                       ::inference::ModelInferResponse* response);

void WriteGrpcMetadata(const std::string& name, const DeploymentContract& contract,
                       ::inference::ModelMetadataResponse* response);
void WriteGrpcConfig(const std::string& name, const DeploymentContract& contract,
                     ::inference::ModelConfig* config);
void WriteGrpcStatistics(const std::string& name, const ReleaseStatistics& release,
                         ::inference::ModelStatistics* statistics);

/// An error as gRPC tells it.
grpc::Status GrpcStatusOf(const Status& status);

}  // namespace tercet
