#include "offline/external_hudi.h"

#include <algorithm>
#include <mutex>

#include "offline/read_only_table.h"
#include "offline/source_snapshot.h"
#include "source/hudi_columns.h"
#include "source/hudi_files.h"
#include "source/hudi_merge.h"
#include "source/hudi_timeline.h"
#include "source/sql_lazy_tables.h"

namespace tercet {
namespace {

constexpr char kLogged[] = "logged";

class ExternalHudi : public ReadOnlyTable {
 public:
  ExternalHudi(std::shared_ptr<FileSystem> file_system, const DataSource& source,
               TableOptions options, int64_t memory_bytes)
      : ReadOnlyTable(source),
        file_system_(std::move(file_system)),
        options_(std::move(options)),
        memory_bytes_(memory_bytes) {}

  Result<std::shared_ptr<Snapshot>> Head() override {
    ARROW_ASSIGN_OR_RAISE(const HudiTimeline timeline, Timeline());
    return Open(timeline, timeline.writes().size());
  }

  Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) override {
    ARROW_ASSIGN_OR_RAISE(const HudiTimeline timeline, Timeline());
    const std::vector<HudiInstant>& writes = timeline.writes();
    if (version == 0 && writes.empty()) return Open(timeline, 0);
    for (size_t count = writes.size(); count > 0; --count) {
      if (writes[count - 1].version() == version) return Open(timeline, count);
    }
    return Status::KeyError(source().ToText(), " has no completed write ", version,
                            " on its timeline: it was archived or rolled back, or never was");
  }

  Result<std::shared_ptr<Snapshot>> AtTime(int64_t time_us) override {
    ARROW_ASSIGN_OR_RAISE(const HudiTimeline timeline, Timeline());
    const std::vector<HudiInstant>& writes = timeline.writes();
    for (size_t count = writes.size(); count > 0; --count) {
      ARROW_ASSIGN_OR_RAISE(const int64_t written_us, timeline.TimeOf(writes[count - 1]));
      if (written_us <= time_us) return Open(timeline, count);
    }
    return Status::KeyError(source().ToText(), " keeps no write of that time on its timeline");
  }

  Result<std::vector<Commit>> Commits() override {
    ARROW_ASSIGN_OR_RAISE(const HudiTimeline timeline, Timeline());
    std::vector<Commit> commits;
    for (const HudiInstant& write : timeline.writes()) {
      ARROW_ASSIGN_OR_RAISE(const HudiWrite described,
                            timeline.Describe(file_system_.get(), write));
      ARROW_ASSIGN_OR_RAISE(const int64_t written_us, timeline.TimeOf(write));
      commits.push_back({.feature_group = {},
                         .version = write.version(),
                         .commit_time_us = written_us,
                         .operation = described.operation,
                         .rows_inserted = described.rows_inserted,
                         .rows_updated = described.rows_updated,
                         .rows_deleted = described.rows_deleted});
    }
    return commits;
  }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t, int64_t) override {
    return Status::NotImplemented("an external group of ", source().ToText(),
                                  " tells no changes; read it as of two of its instants");
  }

 private:
  Result<HudiTimeline> Timeline() const {
    return HudiTimeline::Read(file_system_.get(), source().location);
  }

  /// The columns after the first `count` writes: those of the last that says.
  Result<std::vector<HudiColumn>> Columns(const HudiTimeline& timeline, size_t count) const {
    std::string schema;
    for (; count > 0 && schema.empty(); --count) {
      ARROW_ASSIGN_OR_RAISE(
          const HudiWrite described,
          timeline.Describe(file_system_.get(), timeline.writes()[count - 1]));
      schema = described.schema;
      if (!described.evolved_by_id) continue;
      return Status::NotImplemented(source().ToText(), " has columns that are told apart by ids "
                                    "(hoodie.schema.on.read.enable), which is not read");
    }
    if (schema.empty()) schema = timeline.create_schema();
    if (schema.empty()) {
      return Status::Invalid(source().ToText(), " has no completed write, and hence no columns");
    }
    auto columns = HudiColumns(schema);
    if (!columns.ok()) return Explain(columns.status(), "the schema of " + source().ToText());
    return columns;
  }

  /// The table after the first `count` writes of its timeline.
  Result<std::shared_ptr<Snapshot>> Open(const HudiTimeline& timeline, size_t count) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<HudiColumn> columns, Columns(timeline, count));
    int64_t version = 0, written_us = 0;
    std::vector<HudiSlice> slices;
    HudiMergeRule rule;
    if (count > 0) {
      const HudiInstant& write = timeline.writes()[count - 1];
      version = write.version();
      ARROW_ASSIGN_OR_RAISE(written_us, timeline.TimeOf(write));
      ARROW_ASSIGN_OR_RAISE(slices, HudiSlicesAsOf(file_system_.get(), timeline, write));
      if (std::any_of(slices.begin(), slices.end(),
                      [](const HudiSlice& slice) { return !slice.logs.empty(); })) {
        ARROW_ASSIGN_OR_RAISE(rule, HudiMergeRule::Of(timeline));
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto schema, SchemaOf(columns));
    SourceRelation relation{.name = HudiRelation(columns, slices, rule,
                                                 "feature_group(" + QuoteSqlText(kLogged) + ")"),
                            .limits = {}};
    relation.limits.files = {source().location + "/"};
    ARROW_ASSIGN_OR_RAISE(relation.tables, Logged(timeline, count, slices, rule, *schema));
    return std::make_shared<SourceSnapshot>(
        std::make_shared<SourceQuery>(source(), std::move(relation)), std::move(schema), options_,
        version, written_us);
  }

  /// The columns' types in Arrow, known without a look at the files.
  Result<std::shared_ptr<arrow::Schema>> SchemaOf(const std::vector<HudiColumn>& columns) {
    const std::string empty = HudiRelation(columns, {}, {}, "");
    {
      const std::lock_guard lock(mutex_);
      if (empty == schema_text_) return schema_;
    }
    ARROW_ASSIGN_OR_RAISE(
        auto schema, SourceQuery(source(), SourceRelation{.name = empty, .limits = {}}).Schema());
    const std::lock_guard lock(mutex_);
    schema_text_ = empty;
    schema_ = schema;
    return schema;
  }

  /// What log files have, merged when a query reads it; null when there are none.
  Result<std::shared_ptr<SqlTables>> Logged(const HudiTimeline& timeline, size_t count,
                                            const std::vector<HudiSlice>& slices,
                                            const HudiMergeRule& rule,
                                            const arrow::Schema& columns) const {
    if (std::all_of(slices.begin(), slices.end(),
                    [](const HudiSlice& slice) { return slice.logs.empty(); })) {
      return nullptr;
    }
    ARROW_ASSIGN_OR_RAISE(const auto schema, HudiLogSchema(rule, columns));
    const auto tables = std::make_shared<SqlLazyTables>();
    tables->Add(kLogged, schema,
                [file_system = file_system_, timeline, slices, schema,
                 how = HudiMerge{.rule = rule,
                                 .as_of = timeline.writes()[count - 1].time,
                                 .memory_bytes = memory_bytes_}](
                    const std::vector<std::string>& wanted) {
                  return MergeHudiLogs(file_system.get(), timeline, slices, how, *schema, wanted);
                });
    return tables;
  }

  const std::shared_ptr<FileSystem> file_system_;
  const TableOptions options_;
  const int64_t memory_bytes_;
  std::mutex mutex_;
  std::string schema_text_;                // guarded by mutex_
  std::shared_ptr<arrow::Schema> schema_;  // of schema_text_; guarded by mutex_
};

}  // namespace

std::shared_ptr<Table> MakeExternalHudi(std::shared_ptr<FileSystem> file_system,
                                        const DataSource& source, const TableOptions& options,
                                        int64_t memory_bytes) {
  return std::make_shared<ExternalHudi>(std::move(file_system), source, options, memory_bytes);
}

}  // namespace tercet
