#pragma once

#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/table.h>

#include "base/result.h"

namespace tercet {

/// Writes a table as TFRecord: a tf.train.Example a row, for TensorFlow, JAX and PyTorch readers.
/// Integers, bools, dates and timestamps (microseconds) are an Int64List of one value, floats a
/// FloatList (32 bits: the format has no more), strings and binaries a BytesList; a null is a
/// feature that is not there. Features are in the order of the columns. TypeError for other types.
///
/// A record is its length, the masked CRC-32C of that, its bytes, and their masked CRC-32C
/// (tensorflow/core/lib/io/record_writer.h).
Status WriteTfRecords(const arrow::Table& table, arrow::io::OutputStream* stream);

/// CRC-32C (Castagnoli), as in iSCSI (RFC 3720, appendix B.4).
uint32_t Crc32c(std::string_view bytes);

}  // namespace tercet
