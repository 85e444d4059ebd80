#include "view/entity_rows.h"

#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "base/parallel.h"
#include "compute/sort_key.h"
#include "view/view_snapshots.h"

namespace tercet {
namespace {

/// The group's primary keys, each once, in order. Keys with a null, which foreign rows may have,
/// are no entity.
Result<std::shared_ptr<arrow::Table>> KeysOf(Snapshot* snapshot,
                                             const std::shared_ptr<arrow::Schema>& key_schema) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, snapshot->Scan({.columns = key_schema->field_names(),
                                                         .start_us = {}, .end_us = {}}));
  arrow::RecordBatchVector batches;
  std::string last;
  bool any = false;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(batch->columns()));
    arrow::Int64Builder firsts;
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (!keys.valid(i)) continue;
      std::string key(keys.ToBytes(i));
      if (any && key == last) continue;
      ARROW_RETURN_NOT_OK(firsts.Append(i));
      last = std::move(key);
      any = true;
    }
    ARROW_ASSIGN_OR_RAISE(const auto numbers, firsts.Finish());
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(batch, numbers));
    batches.push_back(taken.record_batch());
  }
  return arrow::Table::FromRecordBatches(key_schema, batches);
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> EntitiesAt(const ViewPlan& plan, FeatureTables* tables,
                                                 const std::vector<int64_t>& times_us,
                                                 const std::map<std::string, int64_t>& pins) {
  InitializeArrow();
  const ViewGroup& root = plan.groups()[0];
  ViewSnapshots snapshots(tables, pins);
  ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots.Get(root.definition));
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOf(snapshot.get(), root.key_schema));
  ARROW_ASSIGN_OR_RAISE(const auto schema,
                        root.key_schema->AddField(root.key_schema->num_fields(),
                                                  arrow::field(kEventTime, EventTimeType())));
  ARROW_ASSIGN_OR_RAISE(const auto none, arrow::Table::MakeEmpty(schema));
  std::vector<std::shared_ptr<arrow::Table>> parts{none};
  for (const int64_t time_us : times_us) {
    ARROW_ASSIGN_OR_RAISE(const auto times, arrow::MakeArrayFromScalar(
                                                arrow::Int64Scalar(time_us), keys->num_rows()));
    ARROW_ASSIGN_OR_RAISE(
        const JoinAnswer seen,
        JoinAsOf(snapshot.get(), {}, keys, std::static_pointer_cast<arrow::Int64Array>(times),
                 root.ttl_us, {}));
    ARROW_ASSIGN_OR_RAISE(const auto time_column, times->View(EventTimeType()));
    ARROW_ASSIGN_OR_RAISE(
        const auto all, keys->AddColumn(keys->num_columns(), schema->fields().back(),
                                        std::make_shared<arrow::ChunkedArray>(time_column)));
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum visible, arrow::compute::Filter(all, seen.found));
    parts.push_back(visible.table());
  }
  return arrow::ConcatenateTables(parts);
}

}  // namespace tercet
