#pragma once

#include <memory>

#include <arrow/record_batch.h>

#include "catalog/feature_group.h"
#include "offline/row_spool.h"
#include "offline/table.h"

namespace tercet {

/// Rows of a group's first insert, fit to make its table with: nothing is written yet when they are
/// refused.
struct FirstRows {
  std::shared_ptr<arrow::Schema> schema;  ///< of the table to make
  std::shared_ptr<const RowSpool> rows;
};

/// Reads the rows to the end, within the memory. The columns' types become the group's: of
/// dictionaries their values; what a DataFrame library notes beside it is left out. Invalid or
/// TypeError when the columns don't fit the definition, for null keys or event times, and for a
/// (primary key, event time) that comes twice unless `mode` is append.
Result<FirstRows> CheckFirstRows(const FeatureGroupDefinition& definition,
                                 const std::shared_ptr<arrow::RecordBatchReader>& rows,
                                 InsertMode mode, const WriteMemory& memory);

/// Whether a frame's columns are the group's: Invalid for one that is missing (with the nearest
/// that is there) or not known, TypeError for an event time of another kind, zoned where the
/// group's is not or the other way round. Values are checked by Table::Write, before it writes.
/// Columns of `defaults` may be left out.
Status CheckColumns(const FeatureGroupDefinition& definition, const arrow::Schema& frame,
                    const ColumnDefaults& defaults = {});

/// The same for the keys of a delete, which may have the event time or not.
Status CheckKeyColumns(const FeatureGroupDefinition& definition, const arrow::Schema& frame);

}  // namespace tercet
