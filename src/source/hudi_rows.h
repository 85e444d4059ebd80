#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/result.h"
#include "source/hudi_log.h"

namespace tercet {

/// The rows of a file in Parquet as columns of `wanted`, null where it has none, a row group at a
/// time. TypeError for a column that can't become ours, naming it; what `take` answers ends it.
Status ReadHudiParquet(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const arrow::Schema& wanted,
    const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& take);

/// The rows of a block of a log, in Avro or in Parquet, likewise. NotImplemented for other blocks.
Status ReadHudiBlock(const HudiLogBlock& block, const std::shared_ptr<arrow::Schema>& wanted,
                     const std::function<Status(const std::shared_ptr<arrow::RecordBatch>&)>& take);

}  // namespace tercet
