#include "feature/ingest.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>

namespace tercet {
namespace {

Status CheckOnline(const FeatureGroupDefinition& definition) {
  if (definition.online) return Status::OK();
  return Status::KeyError("feature group '", definition.ref().ToText(),
                          "' is not online; declare a version of it with online=True");
}

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

/// Whether a commit in (since, head] changed rows that its change feed does not tell of, or changed
/// all: then a load is the way, or cheaper than the change of every row; readers see it at once.
bool NeedsLoad(const std::vector<Commit>& commits, int64_t since) {
  for (auto it = commits.rbegin(); it != commits.rend() && it->version > since; ++it) {
    if (it->operation == "overwrite" || it->operation == "erase") return true;
    if (it->operation == "alter" && it->rows_updated > 0) return true;
  }
  return false;
}

/// Keys of rows that commits in (since, head] took out of a table that may hold a position twice.
/// Another engine's delete may leave the other one of two rows, which the feed does not tell.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> KeysOfRemovedDuplicates(
    Table* table, const std::vector<Commit>& commits, int64_t since, int64_t head,
    const std::vector<std::string>& primary_key) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> keys;
  bool duplicates = false, removals = false;
  for (const Commit& commit : commits) {
    duplicates = duplicates || commit.operation == "append";
    removals = removals || (commit.version > since && commit.operation != "append" &&
                            commit.operation != "upsert" && commit.operation != "compact");
  }
  if (!duplicates || !removals) return keys;
  ARROW_ASSIGN_OR_RAISE(const auto changes, table->Changes(since, head));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, changes->Next());
    if (batch == nullptr) return keys;
    const auto& type =
        static_cast<const arrow::StringArray&>(*batch->GetColumnByName("_change_type"));
    arrow::BooleanBuilder removed;
    for (int64_t i = 0; i < type.length(); ++i) {
      ARROW_RETURN_NOT_OK(
          removed.Append(type.GetView(i) == "delete" || type.GetView(i) == "update_preimage"));
    }
    ARROW_ASSIGN_OR_RAISE(const auto mask, removed.Finish());
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum rows, arrow::compute::Filter(batch, mask));
    const auto left = rows.record_batch();
    if (left->num_rows() == 0) continue;
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const std::string& name : primary_key) {
      fields.push_back(left->schema()->GetFieldByName(name));
      arrays.push_back(left->GetColumnByName(name));
    }
    keys.push_back(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), left->num_rows(),
                                            std::move(arrays)));
  }
}

}  // namespace

Status RebuildOnline(FeatureTables* tables, OnlineStore* store, const Ref& group,
                     int64_t version) {
  ARROW_ASSIGN_OR_RAISE(FeatureGroupDefinition definition, tables->Definition(group));
  ARROW_RETURN_NOT_OK(CheckOnline(definition));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables->Get(group));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> snapshot,
                        version < 0 ? table->Head() : table->AtVersion(version));
  if (version >= 0) {
    ARROW_ASSIGN_OR_RAISE(definition, tables->DefinitionAt(group, version));
  }
  const Status defined = store->Define(definition);
  // Dropping the group first, as SyncOnline does, would leave its readers without.
  if (defined.IsTypeError()) {
    return Status::Invalid("feature group '", group.ToText(), "' can't be rebuilt as of commit ",
                           snapshot->version(), ": ", defined.message());
  }
  ARROW_RETURN_NOT_OK(defined);
  ARROW_ASSIGN_OR_RAISE(const auto rows, snapshot->Scan({}));
  return store->Load(group, rows, snapshot->version());
}

Status SyncOnline(FeatureTables* tables, OnlineStore* store, const Ref& group, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables->Definition(group));
  ARROW_RETURN_NOT_OK(CheckOnline(definition));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables->Get(group));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
  // What another system changes has no feed of changes: it is loaded when asked for.
  if (definition.source) return LoadWhole(definition, head.get(), store);
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
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, table->Commits());
  if (NeedsLoad(commits, applied)) return LoadWhole(definition, head.get(), store);
  const Status changed = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto changes, table->Changes(applied, head->version()));
    ARROW_ASSIGN_OR_RAISE(const auto again,
                          KeysOfRemovedDuplicates(table.get(), commits, applied, head->version(),
                                                  definition.primary_key));
    ARROW_ASSIGN_OR_RAISE(auto pending, store->Apply(group, changes, head->version()));
    pending.insert(pending.end(), again.begin(), again.end());
    return RefillAll(group, pending, head.get(), store);
  }();
  // A vacuum took the changes of commits that this store slept through.
  if (changed.IsKeyError()) return LoadWhole(definition, head.get(), store);
  return changed;
}

}  // namespace tercet
