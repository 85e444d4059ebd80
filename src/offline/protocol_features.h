#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "offline/action.h"
#include "offline/table_state.h"

namespace tercet {

/// Whether the protocol lets writers use a feature: by its name, or by a numbered version of old
/// that implies it.
bool Supports(const Protocol& protocol, std::string_view feature);

/// The protocol with a feature that readers and writers must know (`deletionVectors`,
/// `timestampNtz`); nullopt when it has it already. What the numbered versions of old protocols
/// imply is spelled out.
std::optional<Protocol> WithFeature(const Protocol& protocol, std::string_view feature);

/// Whether each commit must say its own time, in milliseconds that go on (`inCommitTimestamp`).
bool HasCommitTimes(const TableState& state);

/// NotImplemented when the protocol asks of readers what we don't do, naming the feature.
Status CheckReadable(const Protocol& protocol);

/// NotImplemented when the table asks of writers what we don't do: unknown features, partitions,
/// constraints, generated, identity and default columns, a key that became of a wider type, members
/// of structs that may not be null, types that are only read.
Status CheckWritable(const TableState& state);

}  // namespace tercet
