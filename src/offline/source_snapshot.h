#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "offline/row_keys.h"
#include "offline/source_query.h"
#include "offline/table.h"

namespace tercet {

/// A source as it is now. What was read last is kept, sorted, for the next reader of the same
/// columns: a join reads a group in several parts.
class SourceSnapshot : public Snapshot {
 public:
  SourceSnapshot(std::shared_ptr<const SourceQuery> query, std::shared_ptr<arrow::Schema> schema,
                 TableOptions options, int64_t version, int64_t read_time_us)
      : query_(std::move(query)),
        schema_(std::move(schema)),
        options_(std::move(options)),
        version_(version),
        read_time_us_(read_time_us) {}

  int64_t version() const override { return version_; }
  int64_t commit_time_us() const override { return read_time_us_; }
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  const TableOptions& options() const override { return options_; }
  int64_t file_count() const override { return 0; }
  int64_t total_bytes() const override { return 0; }
  std::optional<int64_t> row_count() const override { return std::nullopt; }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanOptions& options) override {
    return ScanRange(options, {});
  }
  Result<std::shared_ptr<arrow::RecordBatchReader>> ScanRange(const ScanOptions& options,
                                                              const KeyRange& range) override;
  /// One range: the rows are read at once.
  Result<std::vector<KeyRange>> Partition(int count) override;
  /// Asks the source for rows of these keys alone where they are few.
  Result<std::shared_ptr<arrow::RecordBatchReader>> Lookup(
      const std::shared_ptr<arrow::RecordBatch>& keys, const ScanOptions& options) override;
  bool finds_keys() const override { return true; }

  /// One that is nobody's to open: not sorted, of any key, as a foreign file is.
  Result<std::vector<std::shared_ptr<const DataFile>>> Files() override;
  Result<std::shared_ptr<RunFile>> OpenFile(const std::shared_ptr<const DataFile>& file) override;

 private:
  /// Rows in order, each position once.
  struct Loaded {
    std::vector<std::string> columns;  ///< keys, event time, then others
    std::optional<int64_t> start_us, end_us;
    std::shared_ptr<arrow::RecordBatch> asked;  ///< the keys whose rows these are; null: all
    std::shared_ptr<arrow::RecordBatch> rows;
    RowKeys keys;
    bool Has(const std::vector<std::string>& wanted, const ScanOptions& options,
             const std::shared_ptr<arrow::RecordBatch>& only) const;
  };
  /// Rows of the keys `only` at least; null: of all.
  Result<std::shared_ptr<const Loaded>> Load(const ScanOptions& options,
                                             const std::shared_ptr<arrow::RecordBatch>& only);
  Result<std::shared_ptr<arrow::RecordBatchReader>> Answer(
      const Loaded& loaded, const std::vector<uint32_t>& rows, const ScanOptions& options) const;

  const std::shared_ptr<const SourceQuery> query_;
  const std::shared_ptr<arrow::Schema> schema_;
  const TableOptions options_;
  const int64_t version_, read_time_us_;
  std::mutex mutex_;
  std::shared_ptr<const Loaded> loaded_;  // guarded by mutex_
};

}  // namespace tercet
