#pragma once

#include <cstdint>
#include <string>

#include "platform/platform.h"

namespace tercet {

/// Appends {"features": {…}, "missing": {"temp": "expired"}, "helpers": {…}} of one row; helpers
/// only where the view has them.
void AppendVector(const VectorData& data, int64_t row, std::string* out);
/// The same of a vector in place.
void AppendVector(const VectorReader& reader, const VectorCells& vector, std::string* out);

}  // namespace tercet
