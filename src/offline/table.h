#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "catalog/feature_group.h"
#include "catalog/vacuum.h"

namespace tercet {

struct DataFile;  // offline/data_file.h
class RowSpool;   // offline/row_spool.h
class RunFile;    // offline/run_file.h

/// How rows are found and told apart.
struct TableOptions {
  std::vector<std::string> primary_key;
  std::string event_time;  ///< empty: none; then the primary key alone is unique
  bool deletion_vectors = true;
};

/// What each write of a table may hold in memory, and where it puts what is more: sorted pieces in
/// nameless scratch files, which are gone with the write however that ends.
struct WriteMemory {
  int64_t limit_bytes = int64_t{2} << 30;
  std::string scratch_folder;  ///< on a local disk; empty: the table's own folder
};

struct WriteOptions {
  InsertMode mode = InsertMode::kUpsert;
  /// Delta's `txn` appId: a second write with the same key is a no-op (already_applied).
  std::string idempotency_key;
};

struct ScanOptions {
  std::vector<std::string> columns;  ///< empty: all, in schema order; else in this order
  std::optional<int64_t> start_us;   ///< event time ≥ start
  std::optional<int64_t> end_us;     ///< event time < end
  int64_t batch_rows = 65536;
};

/// An order-preserving slice of the key space in SortKeys' byte form: [low, high). Empty low or
/// high: unbounded on that side.
struct KeyRange {
  std::string low, high;
};

/// Columns by name with the value that a row has which doesn't say.
using ColumnDefaults = std::map<std::string, std::shared_ptr<arrow::Scalar>>;

/// A change of a table's columns and properties.
struct TableAlteration {
  arrow::FieldVector add;   ///< behind those that are there; nullable
  ColumnDefaults defaults;  ///< of added columns; one without is null in rows that don't say
  arrow::FieldVector widen; ///< columns with their wider type
  std::map<std::string, std::optional<std::string>> properties;  ///< nullopt takes one away
};

/// What an erasure took out of a table.
struct TableErasure {
  int64_t version = 0;                ///< newest commit afterwards
  int64_t rows = 0;                   ///< that were visible
  int64_t files = 0;                  ///< removed
  std::vector<int64_t> lost_versions; ///< that can no longer be read
};

/// A feature group's table as of one commit. Immutable; readers may use it from any thread, and
/// it stays readable while newer commits and compactions happen.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual int64_t version() const = 0;
  virtual int64_t commit_time_us() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual const TableOptions& options() const = 0;
  virtual int64_t file_count() const = 0;
  virtual int64_t total_bytes() const = 0;
  /// Physical rows less deleted ones, by the log's statistics; nullopt when a foreign file has
  /// none. Duplicates of append mode are counted.
  virtual std::optional<int64_t> row_count() const = 0;
  /// Columns that a write may leave out: those that were added when there were rows.
  virtual ColumnDefaults defaults() const { return {}; }
  /// The table's configuration: Delta's properties, and ours.
  virtual std::map<std::string, std::string> properties() const { return {}; }

  /// All visible rows ordered by (primary key, event time), duplicates resolved (the later commit
  /// wins, then the later row). Files and row groups outside the time range are not read, nor are
  /// columns not asked for. Memory: one batch a run.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanOptions& options) = 0;

  /// The same for the keys in `range` only; for parallel readers.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> ScanRange(const ScanOptions& options,
                                                                      const KeyRange& range) = 0;

  /// At most `count` ranges of about equal rows that cover the key space in order, from row group
  /// statistics; fewer for small tables.
  virtual Result<std::vector<KeyRange>> Partition(int count) = 0;

  /// Rows of the given keys only (a batch of primary key columns, any order), ordered as in Scan;
  /// finds files by key statistics.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> Lookup(
      const std::shared_ptr<arrow::RecordBatch>& keys, const ScanOptions& options) = 0;
  /// Whether a reader of few keys is better off with Lookup than with a scan of all: where another
  /// system keeps the rows and finds them.
  virtual bool finds_keys() const { return false; }

  /// For readers that merge runs themselves: the table's files, older rows first, with their key
  /// and time ranges where they are sorted runs; and one of them opened.
  virtual Result<std::vector<std::shared_ptr<const DataFile>>> Files() = 0;
  virtual Result<std::shared_ptr<RunFile>> OpenFile(
      const std::shared_ptr<const DataFile>& file) = 0;
};

/// An incremental table in the Delta Lake format (shared design: docs/reference/table-format.md).
/// Any number of processes may have one open; each write is one atomic commit, durable when the
/// call returns. A failed write leaves the table as it was. Thread-safe.
class Table {
 public:
  /// Creates the table (commit 0). AlreadyExists when there is one.
  static Result<std::shared_ptr<Table>> Create(std::shared_ptr<FileSystem> file_system,
                                               const std::string& path,
                                               const std::shared_ptr<arrow::Schema>& schema,
                                               const TableOptions& options, const Clock* clock,
                                               const WriteMemory& memory = {});
  /// Opens an existing table, also one that another engine made (`options` then says what its
  /// keys are; ignored where the table's own log says). KeyError when there is none.
  static Result<std::shared_ptr<Table>> Open(std::shared_ptr<FileSystem> file_system,
                                             const std::string& path, const TableOptions& options,
                                             const Clock* clock, const WriteMemory& memory = {});
  virtual ~Table() = default;

  /// The newest commit, seen afresh at each call (cheap when nothing changed).
  virtual Result<std::shared_ptr<Snapshot>> Head() = 0;
  /// KeyError for a version that does not exist, naming the newest.
  virtual Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) = 0;
  /// The newest commit with commit_time ≤ time; KeyError when time is before the first.
  virtual Result<std::shared_ptr<Snapshot>> AtTime(int64_t time_us) = 0;

  /// Upsert, append or overwrite. The rows' schema must equal the table's by name, in any column
  /// order, without loss (a number into an integer that it is; double into float, or text into a
  /// number, is Invalid and names the column). Null keys or event times are Invalid. In one upsert
  /// frame a repeated (primary key, event time) is Invalid, naming it; append keeps both, the later
  /// one wins on reading. Reads the whole input before it commits, within WriteMemory.
  virtual Result<Commit> Write(const std::shared_ptr<arrow::RecordBatchReader>& rows,
                               const WriteOptions& options) = 0;
  /// The same of rows that were read before the table was there (offline/row_spool.h).
  virtual Result<Commit> WriteSpooled(std::shared_ptr<const RowSpool> rows,
                                      const WriteOptions& options) = 0;

  /// Deletes the rows with these primary keys; where `keys` also has the event time column, only
  /// those rows. A key without rows is no error. Within WriteMemory.
  virtual Result<Commit> Delete(const std::shared_ptr<arrow::RecordBatchReader>& keys) = 0;

  /// All commits, oldest first.
  virtual Result<std::vector<Commit>> Commits() = 0;

  /// Row changes of commits in (since, until]: the table's columns and `_change_type` (insert,
  /// update_preimage, update_postimage, delete), `_commit_version`, `_commit_time` (timestamp[us,
  /// UTC]); commits in order. `until` < 0 means the head. Compactions change nothing.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t since,
                                                                    int64_t until) = 0;

  /// Merges small runs (and foreign, unsorted files) into large sorted ones; nothing visible
  /// changes. Returns the commit, or the head's when there was nothing to do. Within WriteMemory,
  /// as long as that holds some row groups.
  virtual Result<Commit> Compact() = 0;
  /// Whether a policy asks for a compaction now: `tercet.auto_compact_files` small runs are there
  /// (0: never). Their number bounds what one compaction costs.
  virtual Result<bool> CompactionDue() = 0;

  /// Changes columns or properties as one commit; older commits keep the schema that they had.
  /// Where values change (a default, a wider type) files are written anew, so that every reader
  /// sees the same without knowing of it; no row counts as changed in the change feed. Types get
  /// wider as in offline/widening.h. AlreadyExists for a column that is there, KeyError for one
  /// that is not, TypeError for a change of type that is no widening, Invalid for a key column and
  /// for a property that is not to be set.
  virtual Result<Commit> Alter(const TableAlteration& alteration) = 0;

  /// Removes files that no commit of the retention and none of `pinned` needs, and old log files
  /// that no kept commit needs. A file that no commit ever named is one that a killed writer left
  /// or that a running one is about to commit: it goes when it is a day old (or as old as the
  /// retention, if that is longer). Safe at any point of a crash, and beside writers. Invalid when
  /// a pinned version can't be loaded: then nothing is removed.
  virtual Result<VacuumReport> Vacuum(const VacuumRequest& request,
                                      const std::set<int64_t>& pinned) = 0;

  /// Removes all rows with these values in some of the primary key's columns, out of the head and
  /// out of history: every file that holds one goes, so older commits that need it can no longer
  /// be read, and statistics of such files are taken out of the log. Durable when it returns; cut
  /// off in between, it is done by a second call. `keys` has at least one column of the primary key
  /// and no others.
  virtual Result<TableErasure> Erase(const std::shared_ptr<arrow::RecordBatch>& keys) = 0;

  virtual const std::string& path() const = 0;
};

}  // namespace tercet
