#pragma once

#include <optional>
#include <string_view>

#include "offline/action.h"

namespace tercet {

/// The protocol with a feature that readers and writers must know (`deletionVectors`,
/// `timestampNtz`); nullopt when it has it already. What the numbered versions of old protocols
/// imply is spelled out.
std::optional<Protocol> WithFeature(const Protocol& protocol, std::string_view feature);

}  // namespace tercet
