#include "feature/ingest.h"

namespace tercet {
namespace {

Status LoadWhole(const FeatureGroupDefinition& definition, Snapshot* head, OnlineStore* store) {
  const Ref group = definition.ref();
  Status defined = store->Define(definition);
  if (defined.IsTypeError()) {
    // A column's type or the key is another: the rows in the store are of no use.
    ARROW_RETURN_NOT_OK(store->Drop(group));
    defined = store->Define(definition);
  }
  ARROW_RETURN_NOT_OK(defined);
  ARROW_ASSIGN_OR_RAISE(const auto rows, head->Scan({}));
  return store->Load(group, rows, head->version());
}

/// Gives keys the rows that the store had let go and now needs.
Status RefillAll(const Ref& group, const std::vector<std::shared_ptr<arrow::RecordBatch>>& pending,
                 Snapshot* head, OnlineStore* store) {
  for (const std::shared_ptr<arrow::RecordBatch>& keys : pending) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, head->Lookup(keys, {}));
    ARROW_RETURN_NOT_OK(store->Refill(group, keys, rows));
  }
  return Status::OK();
}

/// Whether a commit in (since, head] replaced the whole table: then a load is cheaper than the
/// change of every row, and readers see it at once.
Result<bool> Overwritten(Table* table, int64_t since) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, table->Commits());
  for (auto it = commits.rbegin(); it != commits.rend() && it->version > since; ++it) {
    if (it->operation == "overwrite") return true;
  }
  return false;
}

}  // namespace

Status SyncOnline(FeatureTables* tables, OnlineStore* store, const Ref& group, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables->Definition(group));
  if (!definition.online) {
    return Status::KeyError("feature group '", group.ToText(),
                            "' is not online; declare a version of it with online=True");
  }
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables->Get(group));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
  if (version > head->version()) {
    return Status::Invalid("feature group '", group.ToText(), "' has no commit ", version,
                           "; the newest is ", head->version());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t applied, store->AppliedVersion(group));
  // Never seen, or of a table that was dropped and made anew.
  if (applied < 0 || applied > head->version()) {
    return LoadWhole(definition, head.get(), store);
  }
  const Status defined = store->Define(definition);
  if (defined.IsTypeError()) return LoadWhole(definition, head.get(), store);
  ARROW_RETURN_NOT_OK(defined);
  if (applied == head->version()) {
    // A crash may have come between a change and the refill that it called for.
    ARROW_ASSIGN_OR_RAISE(const auto pending, store->PendingRefills(group));
    return RefillAll(group, pending, head.get(), store);
  }
  ARROW_ASSIGN_OR_RAISE(const bool overwritten, Overwritten(table.get(), applied));
  if (overwritten) return LoadWhole(definition, head.get(), store);
  ARROW_ASSIGN_OR_RAISE(const auto changes, table->Changes(applied, head->version()));
  ARROW_ASSIGN_OR_RAISE(const auto pending, store->Apply(group, changes, head->version()));
  return RefillAll(group, pending, head.get(), store);
}

}  // namespace tercet
