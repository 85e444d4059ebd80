#pragma once

#include <string>

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// A deployment's contract for programs that read schemas, made from its release.

/// JSON Schema (2020-12) of one entity of a request: required members, optional ones, no others.
json::object DeploymentRequestSchema(const std::string& name, const DeploymentContract& contract);

/// OpenAPI 3.1 of the deployment's routes: by entity, and by the Open Inference Protocol.
json::object DeploymentOpenApi(const std::string& name, const DeploymentContract& contract);

}  // namespace tercet
