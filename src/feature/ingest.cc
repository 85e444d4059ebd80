#include "feature/ingest.h"

#include <arrow/table.h>

#include "feature/background.h"
#include "feature/row_check.h"
#include "online/owner_lock.h"

namespace tercet {
namespace {

/// What has its rows elsewhere is not written here.
Status CheckOurs(const FeatureGroupDefinition& group) {
  if (!group.source) return Status::OK();
  return Status::NotImplemented("feature group '", group.ref().ToText(),
                                "' is external: its rows are kept by another system (",
                                group.source->ToText(), "), and written there");
}

constexpr int64_t kWaitOnlineTimeoutUs = 600LL * 1'000'000;

}  // namespace

Ingest::Ingest(FeatureTables* tables, OnlineAccess* online)
    : tables_(tables),
      online_(online),
      forks_(OwnerLock::forks()),
      background_(std::make_unique<Background>(tables, online)) {}

Ingest::~Ingest() {
  // What a fork copied can't be stopped: its thread is the parent's.
  if (forks_ != OwnerLock::forks()) (void)background_.release();
}

Ingest::Background* Ingest::background() {
  std::lock_guard lock(mutex_);
  if (forks_ != OwnerLock::forks()) {
    (void)background_.release();
    background_ = std::make_unique<Background>(tables_, online_);
    forks_ = OwnerLock::forks();
  }
  return background_.get();
}

Result<Commit> Ingest::Insert(const Ref& group,
                              const std::shared_ptr<arrow::RecordBatchReader>& rows,
                              const InsertOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_->Definition(group));
  ARROW_RETURN_NOT_OK(CheckOurs(definition));
  const Ref ref = definition.ref();
  const WriteOptions write{.mode = options.mode, .idempotency_key = options.idempotency_key};
  Result<Commit> commit = Commit();
  Result<std::shared_ptr<Table>> table = tables_->Get(ref);
  if (table.status().IsKeyError()) {
    ARROW_ASSIGN_OR_RAISE(FirstRows first, CheckFirstRows(definition, rows, options.mode,
                                                          tables_->write_memory()));
    ARROW_ASSIGN_OR_RAISE(table, tables_->GetOrCreate(ref, first.schema));
    commit = (*table)->WriteSpooled(std::move(first.rows), write);
  } else {
    ARROW_RETURN_NOT_OK(table.status());
    ARROW_ASSIGN_OR_RAISE(const auto head, (*table)->Head());
    ARROW_RETURN_NOT_OK(CheckColumns(definition, *rows->schema(), head->defaults()));
    commit = (*table)->Write(rows, write);
  }
  if (!commit.ok()) {
    return Explain(commit.status(), "inserting into feature group '" + ref.ToText() + "'");
  }
  return Applied(definition, std::move(commit).ValueUnsafe(), options.wait_online);
}

Result<Commit> Ingest::Delete(const Ref& group,
                              const std::shared_ptr<arrow::RecordBatchReader>& keys,
                              bool wait_online) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_->Definition(group));
  ARROW_RETURN_NOT_OK(CheckOurs(definition));
  ARROW_RETURN_NOT_OK(CheckKeyColumns(definition, *keys->schema()));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(definition.ref()));
  Result<Commit> commit = table->Delete(keys);
  if (!commit.ok()) {
    return Explain(commit.status(),
                   "deleting from feature group '" + definition.ref().ToText() + "'");
  }
  return Applied(definition, std::move(commit).ValueUnsafe(), wait_online);
}

Result<Commit> Ingest::Applied(const FeatureGroupDefinition& definition, Commit commit,
                               bool wait_online) {
  commit.feature_group = definition.ref();
  background()->CompactIfDue(definition.ref());
  if (!definition.online) return commit;
  if (!wait_online) {
    background()->Enqueue(definition.ref(), commit.version);
    return commit;
  }
  const Status applied = online_->SyncTo(definition.ref(), commit.version, kWaitOnlineTimeoutUs);
  if (applied.ok()) return commit;
  // The caller hears that it failed, and others try again.
  background()->Enqueue(definition.ref(), commit.version);
  return Explain(applied, "feature group '" + definition.ref().ToText() +
                              "': the rows are committed offline as version " +
                              std::to_string(commit.version) + ", but not applied online");
}

Result<ErasureReport> Ingest::Erase(const std::optional<Ref>& group,
                                    const std::shared_ptr<arrow::RecordBatchReader>& keys) {
  ARROW_ASSIGN_OR_RAISE(const auto table, keys->ToTable());
  ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
  ARROW_ASSIGN_OR_RAISE(ErasureReport report, tables_->Erase(group, batch));
  for (const auto& [name, erased] : report.groups) {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(name));
    ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_->Definition(ref));
    if (!definition.online) continue;
    const Status applied = online_->SyncTo(ref, erased.version, kWaitOnlineTimeoutUs);
    if (!applied.ok()) {
      return Explain(applied, "feature group '" + name +
                                  "': the entities are erased offline, but not yet online");
    }
  }
  return report;
}

Result<FeatureGroupDefinition> Ingest::Alter(const Ref& group, const FeatureGroupChange& change) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_->Alter(group, change));
  if (!definition.online || definition.schema == nullptr) return definition;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(definition.ref()));
  ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
  background()->Enqueue(definition.ref(), head->version());
  return definition;
}

Status Ingest::Flush() { return background()->Flush(); }

}  // namespace tercet
