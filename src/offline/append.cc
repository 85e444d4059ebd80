#include "offline/change.h"
#include "offline/run_sink.h"

namespace tercet {
namespace {

class Append : public Change {
 public:
  Append(std::shared_ptr<NewFiles> files, std::vector<AddFile> adds, int64_t rows)
      : Change(std::move(files)), adds_(std::move(adds)), rows_(rows) {}

  Result<ChangePlan> Plan(const TableStatePtr&) override {
    ChangePlan plan{.operation = "append",
                    .delta_operation = "WRITE",
                    .parameters = {{"mode", "Append"}, {"partitionBy", "[]"}},
                    .rows_inserted = rows_,
                    .blind_append = true,
                    .nothing = adds_.empty()};
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    return plan;
  }

 private:
  const std::vector<AddFile> adds_;
  const int64_t rows_;
};

class Overwrite : public Change {
 public:
  Overwrite(std::shared_ptr<NewFiles> files, std::vector<AddFile> adds, int64_t rows,
            const Clock* clock)
      : Change(std::move(files)), adds_(std::move(adds)), rows_(rows), clock_(clock) {}

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ARROW_RETURN_NOT_OK(CheckNotAppendOnly(*state, "overwrite"));
    ChangePlan plan{.operation = "overwrite",
                    .delta_operation = "WRITE",
                    .parameters = {{"mode", "Overwrite"}, {"partitionBy", "[]"}},
                    .rows_inserted = rows_};
    for (const DataFilePtr& file : state->OrderedFiles()) {
      plan.rows_deleted += file->RowCount().value_or(0);
      plan.actions.emplace_back(RemoveFile::Of(file->add, clock_->NowMicros() / 1000, true));
    }
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    plan.nothing = plan.actions.empty();
    return plan;
  }

 private:
  const std::vector<AddFile> adds_;
  const int64_t rows_;
  const Clock* const clock_;
};

struct Written {
  std::shared_ptr<NewFiles> files;
  std::vector<AddFile> adds;
  int64_t rows;
};

Result<Written> WriteRows(const ChangeContext& context, const TableState& state,
                          const RowSpool& rows) {
  Written written{.files = std::make_shared<NewFiles>(context.file_system, context.table_path),
                  .adds = {},
                  .rows = rows.row_count()};
  ARROW_ASSIGN_OR_RAISE(written.adds,
                        WriteSpool(rows, state, context.memory.limit_bytes,
                                   context.clock->NowMicros(), written.files.get()));
  return written;
}

}  // namespace

Status CheckNotAppendOnly(const TableState& state, std::string_view operation) {
  if (!state.BooleanProperty("delta.appendOnly")) return Status::OK();
  return Status::NotImplemented("cannot ", operation, ": the table is append-only");
}

Result<std::unique_ptr<Change>> MakeAppend(const ChangeContext& context, const TableState& state,
                                           const RowSpool& rows) {
  ARROW_ASSIGN_OR_RAISE(Written written, WriteRows(context, state, rows));
  return std::make_unique<Append>(std::move(written.files), std::move(written.adds), written.rows);
}

Result<std::unique_ptr<Change>> MakeOverwrite(const ChangeContext& context, const TableState& state,
                                              const RowSpool& rows) {
  ARROW_RETURN_NOT_OK(CheckNotAppendOnly(state, "overwrite"));
  ARROW_ASSIGN_OR_RAISE(Written written, WriteRows(context, state, rows));
  return std::make_unique<Overwrite>(std::move(written.files), std::move(written.adds),
                                     written.rows, context.clock);
}

}  // namespace tercet
