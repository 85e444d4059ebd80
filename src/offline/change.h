#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "offline/action.h"
#include "offline/row_spool.h"
#include "offline/run_writer.h"
#include "offline/table_state.h"

namespace tercet {

/// What a change is on top of one state of the table.
struct ChangePlan {
  std::vector<Action> actions;  ///< without commitInfo and txn; files that bring new rows have no
                                ///< version tag yet
  std::string operation;        ///< ours: "append", "upsert" …
  std::string delta_operation;  ///< Delta's name for it: "WRITE", "MERGE" …
  json::object parameters;      ///< Delta's operationParameters
  int64_t rows_inserted = 0, rows_updated = 0, rows_deleted = 0;
  bool blind_append = false;
  bool nothing = false;         ///< the table is already as wanted: no commit is made
};

/// One change of a table, which may have to be planned again when other writers were first. Work
/// that other commits did not touch is kept from plan to plan.
class Change {
 public:
  explicit Change(std::shared_ptr<NewFiles> files) : files_(std::move(files)) {}
  virtual ~Change() = default;
  virtual Result<ChangePlan> Plan(const TableStatePtr& state) = 0;
  NewFiles& files() { return *files_; }

 protected:
  const std::shared_ptr<NewFiles> files_;
};

/// Where a change works.
struct ChangeContext {
  std::shared_ptr<FileSystem> file_system;
  std::string table_path;
  const Clock* clock;
  WriteMemory memory;

  std::string scratch_folder() const {
    return memory.scratch_folder.empty() ? table_path : memory.scratch_folder;
  }
};

using RowSpoolPtr = std::shared_ptr<const RowSpool>;

/// New rows beside those that are there. The files are written here and now.
Result<std::unique_ptr<Change>> MakeAppend(const ChangeContext& context, const TableState& state,
                                           const RowSpool& rows);

/// New rows instead of all that are there when it commits.
Result<std::unique_ptr<Change>> MakeOverwrite(const ChangeContext& context,
                                              const TableState& state, const RowSpool& rows);

/// Rows that replace those of equal position, and come new where there are none. Invalid when a
/// position comes twice among them.
Result<std::unique_ptr<Change>> MakeUpsert(const ChangeContext& context, const TableState& state,
                                           RowSpoolPtr rows);

/// Takes out the rows of these primary keys, or of these positions where `keys` has the event time
/// column too. Its columns are those and no others, of the table's types.
Result<std::unique_ptr<Change>> MakeDelete(const ChangeContext& context, const TableState& state,
                                           RowSpoolPtr keys);

/// The same two for rows that are spilled: piece by piece of their order.
Result<std::unique_ptr<Change>> MakeStreamedUpsert(const ChangeContext& context,
                                                   const TableState& state,
                                                   const RowSpool& rows);
Result<std::unique_ptr<Change>> MakeStreamedDelete(const ChangeContext& context,
                                                   const TableState& state, RowSpoolPtr keys);

/// The options by which a delete's keys are ordered: without the event time where `keys` has none.
TableOptions OptionsOfKeys(const arrow::Schema& keys, const TableOptions& options);

/// Other columns or properties; files are written anew where values change.
Result<std::unique_ptr<Change>> MakeAlteration(const ChangeContext& context,
                                               const TableState& state,
                                               const TableAlteration& alteration);

/// Few large runs instead of many small, foreign or mostly deleted ones. Merges here and now.
Result<std::unique_ptr<Change>> MakeCompaction(const ChangeContext& context,
                                               const TableStatePtr& state);

/// How many runs are small: a compaction would merge them.
Result<int64_t> SmallRuns(const TableState& state);

/// Fails when the table may only be appended to.
Status CheckNotAppendOnly(const TableState& state, std::string_view operation);

}  // namespace tercet
