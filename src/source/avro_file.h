#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// The items of a small Avro object container file
/// (https://avro.apache.org/docs/1.12.0/specification/#object-container-files) as JSON: records are
/// objects, a union's value is the value alone, bytes are text as they are. For metadata, which
/// fits into memory many times over; rows are read by avro_rows.h.
///
/// Blocks may be compressed (deflate, zstandard, snappy). Invalid for what is no such file, is cut
/// off, or is not as its schema says; NotImplemented for another compression.
Result<std::vector<json::value>> ReadAvroFile(std::string_view bytes);

}  // namespace tercet
