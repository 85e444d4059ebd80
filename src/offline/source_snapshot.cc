#include "offline/source_snapshot.h"

#include <algorithm>
#include <limits>

#include <arrow/table.h>

#include "base/add_once.h"
#include "base/name.h"
#include "compute/take_rows.h"
#include "offline/aligned_rows.h"
#include "offline/data_file.h"

namespace tercet {
bool SourceSnapshot::Loaded::Has(const std::vector<std::string>& wanted,
                                 const ScanOptions& options,
                                 const std::shared_ptr<arrow::RecordBatch>& only) const {
  const auto known = [&](const std::string& column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  };
  const bool from = !start_us || (options.start_us && *options.start_us >= *start_us);
  const bool until = !end_us || (options.end_us && *options.end_us <= *end_us);
  const bool of_keys = asked == nullptr || (only != nullptr && asked->Equals(*only));
  return from && until && of_keys && std::all_of(wanted.begin(), wanted.end(), known);
}

Result<std::shared_ptr<const SourceSnapshot::Loaded>> SourceSnapshot::Load(
    const ScanOptions& options, const std::shared_ptr<arrow::RecordBatch>& only) {
  std::vector<std::string> wanted = options_.primary_key;
  if (!options_.event_time.empty()) AddOnce(&wanted, options_.event_time);
  for (const std::string& column :
       options.columns.empty() ? schema_->field_names() : options.columns) {
    if (schema_->GetFieldIndex(column) < 0) {
      return Status::KeyError("the source has no column '", column, "'",
                              Suggest(column, schema_->field_names()));
    }
    AddOnce(&wanted, column);
  }
  if ((options.start_us || options.end_us) && options_.event_time.empty()) {
    return Status::Invalid("the source has no event time to select by");
  }
  const std::lock_guard lock(mutex_);
  if (loaded_ != nullptr && loaded_->Has(wanted, options, only)) return loaded_;
  auto loaded = std::make_shared<Loaded>();
  loaded->columns = wanted;
  loaded->start_us = options.start_us;
  loaded->end_us = options.end_us;
  loaded->asked = only;
  ARROW_ASSIGN_OR_RAISE(
      const auto table,
      query_->Read(wanted, options_, options.start_us, options.end_us, only.get()));
  if (table->num_rows() > std::numeric_limits<uint32_t>::max()) {
    return Status::CapacityError("the source gives ", table->num_rows(),
                                 " rows at once, more than 2^32; ask for fewer event times");
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> rows, table->CombineChunksToBatch());
  ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*rows, options_));
  RowOrder sorted = SortRows(keys);
  std::vector<uint32_t>& order = sorted.order;
  if (order.empty()) {
    order.resize(static_cast<size_t>(rows->num_rows()));
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  }
  if (!sorted.unique) {
    // The order is stable, so of equal positions the last is the source's later row.
    std::vector<uint32_t> last;
    for (size_t i = 0; i < order.size(); ++i) {
      const bool repeated =
          i + 1 < order.size() && keys.Compare(order[i], keys, order[i + 1]) == 0;
      if (!repeated) last.push_back(order[i]);
    }
    order = std::move(last);
  }
  ARROW_ASSIGN_OR_RAISE(loaded->rows, TakeRows(rows, order));
  ARROW_ASSIGN_OR_RAISE(loaded->keys, RowKeys::Of(*loaded->rows, options_));
  loaded_ = loaded;
  return loaded;
}

Result<std::shared_ptr<arrow::RecordBatchReader>> SourceSnapshot::Answer(
    const Loaded& loaded, const std::vector<uint32_t>& rows, const ScanOptions& options) const {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const std::string& column :
       options.columns.empty() ? schema_->field_names() : options.columns) {
    fields.push_back(schema_->GetFieldByName(column));
    arrays.push_back(loaded.rows->GetColumnByName(column));
  }
  const auto schema = arrow::schema(std::move(fields));
  std::shared_ptr<arrow::RecordBatch> batch =
      arrow::RecordBatch::Make(schema, loaded.rows->num_rows(), std::move(arrays));
  if (static_cast<int64_t>(rows.size()) != batch->num_rows()) {
    ARROW_ASSIGN_OR_RAISE(batch, TakeRows(batch, rows));
  }
  arrow::RecordBatchVector batches;
  for (int64_t i = 0; i < batch->num_rows(); i += options.batch_rows) {
    batches.push_back(batch->Slice(i, options.batch_rows));
  }
  return arrow::RecordBatchReader::Make(std::move(batches), schema);
}

Result<std::shared_ptr<arrow::RecordBatchReader>> SourceSnapshot::ScanRange(
    const ScanOptions& options, const KeyRange& range) {
  ARROW_ASSIGN_OR_RAISE(const auto loaded, Load(options, nullptr));
  const int64_t first = range.low.empty() ? 0 : loaded->keys.LowerBound(range.low);
  const int64_t end =
      range.high.empty() ? loaded->keys.size() : loaded->keys.LowerBound(range.high);
  std::vector<uint32_t> rows;
  for (int64_t i = first; i < end; ++i) {
    const int64_t time = loaded->keys.time(i);
    const bool early = options.start_us && time < *options.start_us;
    const bool late = options.end_us && time >= *options.end_us;
    if (!early && !late) rows.push_back(static_cast<uint32_t>(i));
  }
  return Answer(*loaded, rows, options);
}

Result<std::vector<KeyRange>> SourceSnapshot::Partition(int count) {
  if (count < 1) return Status::Invalid("cannot partition into ", count, " ranges");
  return std::vector<KeyRange>(1);
}

Result<std::shared_ptr<arrow::RecordBatchReader>> SourceSnapshot::Lookup(
    const std::shared_ptr<arrow::RecordBatch>& keys, const ScanOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto wanted, KeysToFind(keys, *schema_, options_));
  const bool few = keys->num_rows() <= SourceQuery::kMostKeysAsked;
  ARROW_ASSIGN_OR_RAISE(const auto loaded, Load(options, few ? keys : nullptr));
  std::vector<uint32_t> rows;
  int64_t j = 0;
  for (int64_t i = 0; i < loaded->keys.size(); ++i) {
    while (j < wanted->size() && wanted->keys().Compare(j, loaded->keys.keys(), i) < 0) ++j;
    if (j == wanted->size()) break;
    if (wanted->keys().Compare(j, loaded->keys.keys(), i) != 0) continue;
    const int64_t time = loaded->keys.time(i);
    const bool early = options.start_us && time < *options.start_us;
    const bool late = options.end_us && time >= *options.end_us;
    if (!early && !late) rows.push_back(static_cast<uint32_t>(i));
  }
  return Answer(*loaded, rows, options);
}

Result<std::vector<std::shared_ptr<const DataFile>>> SourceSnapshot::Files() {
  auto file = std::make_shared<DataFile>();
  file->path = query_->source().location;
  return std::vector<std::shared_ptr<const DataFile>>{file};
}

Result<std::shared_ptr<RunFile>> SourceSnapshot::OpenFile(const std::shared_ptr<const DataFile>&) {
  return Status::NotImplemented("a ", query_->source().kind, " source has no files of a table");
}

}  // namespace tercet
