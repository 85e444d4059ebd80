#pragma once

#include <memory>
#include <string>

#include <arrow/table.h>

#include "base/file_system.h"

namespace tercet {

/// The left rows that a training dataset was made for, kept as an Arrow IPC file (Zstandard where
/// the Arrow library has it) that any Arrow reader opens. Types and order come back unchanged.
struct SpineFile {
  std::string name;    ///< in its folder; new for each write, so that no two datasets share one
  std::string sha256;  ///< of its bytes
};

/// Writes a new file in `folder`; it is durable when the call returns.
Result<SpineFile> WriteSpine(FileSystem* file_system, const std::string& folder,
                             const arrow::Table& spine);

/// Reads a file back. IOError, naming it, when it is gone or its bytes are not those written.
Result<std::shared_ptr<arrow::Table>> ReadSpine(FileSystem* file_system, const std::string& folder,
                                                const SpineFile& file);

}  // namespace tercet
