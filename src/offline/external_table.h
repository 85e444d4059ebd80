#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/data_source.h"
#include "offline/table.h"

namespace tercet {

/// The table of an external feature group: rows that another system keeps, read where they are.
/// Whatever would write is NotImplemented.
///
/// A Delta source is read as any table of ours, with its versions; an Iceberg source has those of
/// its snapshots, by their ids, and a Hudi source those of its instants (external_hudi.h), with the
/// columns of each. Others are read as they are now: their
/// version is a fingerprint of the files, so a reader that pinned one is told when they changed
/// since (KeyError); a database over the network has the version 0 always. Rows of all but Delta
/// are read by DuckDB, only the columns and event times asked for, and sorted in memory; of rows of
/// equal (primary key, event time) the later wins, rows without a key or time are left out.
///
/// `memory_bytes`: what a read may hold of records that it has not sorted, as those of Hudi's logs.
///
/// KeyError when nothing is at the location, Invalid or TypeError when it has no such key or event
/// time, IOError when it can't be read.
Result<std::shared_ptr<Table>> OpenExternalTable(std::shared_ptr<FileSystem> file_system,
                                                 const DataSource& source,
                                                 const TableOptions& options, const Clock* clock,
                                                 int64_t memory_bytes);

}  // namespace tercet
