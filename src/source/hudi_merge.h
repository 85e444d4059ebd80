#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/file_system.h"
#include "base/result.h"
#include "source/hudi_files.h"
#include "source/hudi_merge_rule.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// What MergeHudiLogs gives beside the table's columns: of each record the index of its slice, its
/// key, what orders it (a whole number, a number or a text, as the column is), whether it is a
/// delete, and whether it is the row whatever the base file has.
inline constexpr char kHudiSlice[] = "_hoodie_slice", kHudiKey[] = "_hoodie_record_key",
                      kHudiOrder[] = "_hoodie_order", kHudiDeleted[] = "_hoodie_deleted",
                      kHudiAlways[] = "_hoodie_always";
/// Columns of records by which they may be deletes.
inline constexpr char kHudiIsDeleted[] = "_hoodie_is_deleted",
                      kHudiOperation[] = "_hoodie_operation";

struct HudiMerge {
  HudiMergeRule rule;
  std::string as_of;         ///< the write
  int64_t memory_bytes = 0;  ///< that records may take
};

/// The columns of what MergeHudiLogs can give: `columns`, which are the table's, and those above.
/// TypeError when the column that orders is not there, NotImplemented when it has a type that
/// orders no records here.
Result<std::shared_ptr<arrow::Schema>> HudiLogSchema(const HudiMergeRule& rule,
                                                     const arrow::Schema& columns);

/// Of each key in the slices' log files the one record that the rule makes of them, as of a write:
/// these columns of HudiLogSchema's `schema`, in this order. Slices are merged in parallel; what is
/// kept in memory is what is given, and the records of the slices at work. Records of some columns
/// alone (partial updates), or with values that say nothing, are filled from the base files.
///
/// Errors name the file and the block's offset. CapacityError beyond `memory_bytes`, NotImplemented
/// for what only Hudi reads: HFile blocks.
Result<std::shared_ptr<arrow::Table>> MergeHudiLogs(FileSystem* file_system,
                                                    const HudiTimeline& timeline,
                                                    const std::vector<HudiSlice>& slices,
                                                    const HudiMerge& how,
                                                    const arrow::Schema& schema,
                                                    const std::vector<std::string>& columns);

}  // namespace tercet
