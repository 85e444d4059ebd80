#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "offline/action.h"

namespace tercet {

/// Numbers of the deleted rows of a file, ascending, without repeats.
using DeletedRows = std::vector<int64_t>;

/// Delta's deletion vector: its magic number, then a portable 64-bit Roaring bitmap
/// (https://github.com/RoaringBitmap/RoaringFormatSpec).
std::string EncodeVector(const DeletedRows& rows);

/// The reverse. Checks every length before it reads; Invalid when the bytes are damaged, and when
/// they hold more than `max_rows` rows (which guards the memory).
Result<DeletedRows> DecodeVector(std::string_view bytes, int64_t max_rows = int64_t{1} << 31);

/// Z85 (https://rfc.zeromq.org/spec/32): four bytes as five characters. Sizes must be multiples of
/// four and five; a text may end in a group that begins with a '#' for each byte that it lacks.
std::string EncodeZ85(std::string_view bytes);
Result<std::string> DecodeZ85(std::string_view text);

/// Reads the vector that a log entry points to. IOError when its file is damaged, naming it.
Result<DeletedRows> ReadVector(FileSystem* file_system, const std::string& table_path,
                               const VectorPointer& pointer);

/// Reads the vector that the pointer's offset, size and cardinality tell, of this file: as Delta
/// and Iceberg (in its Puffin files) frame it alike.
Result<DeletedRows> ReadVectorAt(FileSystem* file_system, const std::string& path,
                                 const VectorPointer& pointer);

/// The file, relative to the table, that a pointer of storage type "u" names.
Result<std::string> VectorPath(const VectorPointer& pointer);

/// Keeps a vector: small ones inline in the log, others in a new, synced file of the table, whose
/// path (relative to the table) is then put in `created`.
Result<VectorPointer> WriteVector(FileSystem* file_system, const std::string& table_path,
                                  const DeletedRows& rows, std::vector<std::string>* created);

/// The union of two.
DeletedRows Unite(const DeletedRows& a, const DeletedRows& b);

}  // namespace tercet
