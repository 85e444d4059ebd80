#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/hudi_order.h"

namespace tercet {

/// A block of a Hudi log file
/// (https://hudi.apache.org/learn/tech-specs-1point0#log-format): rows, deletes, or a command.
struct HudiLogBlock {
  /// As the format numbers them.
  enum class Kind { kCommand = 0, kDeletes = 1, kCorrupt = 2, kAvro = 3, kHFile = 4, kParquet = 5,
                    kChanges = 6 };
  Kind kind = Kind::kCorrupt;
  int64_t offset = 0;        ///< of the block in its file
  std::string instant;       ///< of the write that made it
  std::string target;        ///< of a rollback: the write that counts no more
  std::string command;       ///< of a command: "0" is a rollback
  std::string schema;        ///< of rows, as Avro's JSON
  std::string compacted;     ///< instants, separated by commas, whose blocks this one replaces
  bool partial = false;      ///< its rows have some of the columns alone
  std::string_view content;  ///< into the file's bytes
};

/// The blocks of a log file, in order. A block that a writer left half-written is left out, as Hudi
/// does: it looks for the next one. Invalid, with the offset, for what is no log file, and for a
/// block that is whole and makes no sense; NotImplemented for a newer format.
Result<std::vector<HudiLogBlock>> ReadHudiLog(std::string_view bytes);

/// A record that a block of deletes deletes.
struct HudiDelete {
  std::string key;
  HudiOrder order;
};

/// The records of a block of deletes. NotImplemented for those that only Java reads (until Hudi
/// 0.13), and for an order by several columns or by decimals.
Result<std::vector<HudiDelete>> ReadHudiDeletes(std::string_view content);

/// The records of a block of rows in Avro, each as its bytes.
Result<std::vector<std::string_view>> ReadHudiAvroRecords(std::string_view content);

}  // namespace tercet
