#pragma once

#include "inference/inference.h"
#include "inference/loaded_release.h"

namespace tercet {

/// What requests to a release may bring and what it answers; `number`: of the release within its
/// deployment.
Inference::Contract ContractOfRelease(const LoadedRelease& loaded, int64_t number);

}  // namespace tercet
