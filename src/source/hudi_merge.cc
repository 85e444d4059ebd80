#include "source/hudi_merge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>

#include "base/json.h"
#include "base/name.h"
#include "base/parallel.h"
#include "compute/take_rows.h"
#include "source/avro_rows.h"
#include "source/hudi_log.h"
#include "source/hudi_slice_log.h"

namespace tercet {
namespace {

constexpr char kIsDeleted[] = "_hoodie_is_deleted", kOperation[] = "_hoodie_operation";

/// A record, or the delete of one.
struct Entry {
  int batch = -1;  ///< that has it; -1: none does, it is of a block of deletes
  int64_t row = 0;
  bool deleted = false;
  HudiOrder order;

  /// Whether it deletes whatever was written before, however late that is.
  bool DeletesAll() const { return deleted && std::holds_alternative<std::monostate>(order); }
};

/// The rows of a block in Parquet, as columns of `wanted`.
Result<std::shared_ptr<arrow::RecordBatch>> ReadParquet(std::string_view content,
                                                        const arrow::Schema& wanted) {
  std::unique_ptr<parquet::arrow::FileReader> file;
  try {
    ARROW_ASSIGN_OR_RAISE(
        file, parquet::arrow::OpenFile(std::make_shared<arrow::io::BufferReader>(
                                           std::make_shared<arrow::Buffer>(content)),
                                       arrow::default_memory_pool()));
  } catch (const std::exception& error) {
    return Status::Invalid("no Parquet: ", error.what());
  }
  std::shared_ptr<arrow::Table> table;
  try {
    ARROW_ASSIGN_OR_RAISE(table, file->ReadTable());
  } catch (const std::exception& error) {
    return Status::Invalid("damaged Parquet: ", error.what());
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, table->CombineChunksToBatch());
  arrow::ArrayVector columns;
  for (const auto& field : wanted.fields()) {
    const auto column = rows->GetColumnByName(field->name());
    if (column == nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            arrow::MakeArrayOfNull(field->type(), rows->num_rows()));
      continue;
    }
    auto cast = arrow::compute::Cast(*column, field->type());
    if (!cast.ok()) return Explain(cast.status(), "column '" + field->name() + "'");
    columns.push_back(*cast);
  }
  return arrow::RecordBatch::Make(arrow::schema(wanted.fields()), rows->num_rows(),
                                  std::move(columns));
}

Result<std::shared_ptr<arrow::RecordBatch>> ReadAvro(
    const HudiLogBlock& block, const std::shared_ptr<arrow::Schema>& wanted) {
  ARROW_ASSIGN_OR_RAISE(const json::object schema, ParseJsonObject(block.schema));
  ARROW_ASSIGN_OR_RAISE(const auto rows, AvroRows::Make(schema, wanted));
  ARROW_ASSIGN_OR_RAISE(const auto records, ReadHudiAvroRecords(block.content));
  for (const std::string_view record : records) ARROW_RETURN_NOT_OK(rows->Append(record));
  return rows->Finish();
}

/// Merges the records of one slice.
class SliceMerge {
 public:
  /// `wanted`: columns to read of records, the key and what orders and deletes among them.
  SliceMerge(const HudiMergeRule& rule, std::shared_ptr<arrow::Schema> wanted)
      : rule_(rule), wanted_(std::move(wanted)) {}

  Status Add(const HudiLogBlock& block) {
    if (block.kind == HudiLogBlock::Kind::kDeletes) {
      ARROW_ASSIGN_OR_RAISE(const auto deletes, ReadHudiDeletes(block.content));
      for (const HudiDelete& one : deletes) {
        Entry entry;
        entry.deleted = true;
        entry.order = rule_.order_by.empty() ? HudiOrder() : one.order;
        Put(one.key, std::move(entry));
      }
      return Status::OK();
    }
    if (block.partial) {
      return Status::NotImplemented("rows of some columns alone (partial updates) are not read; "
                                    "compact the table");
    }
    std::shared_ptr<arrow::RecordBatch> rows;
    if (block.kind == HudiLogBlock::Kind::kAvro) {
      ARROW_ASSIGN_OR_RAISE(rows, ReadAvro(block, wanted_));
    } else if (block.kind == HudiLogBlock::Kind::kParquet) {
      ARROW_ASSIGN_OR_RAISE(rows, ReadParquet(block.content, *wanted_));
    } else {
      return Status::NotImplemented("blocks of the kind ", static_cast<int>(block.kind),
                                    " (HFile, or changes) are not read; compact the table");
    }
    return AddRows(rows);
  }

  const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches() const { return batches_; }
  const std::unordered_map<std::string, Entry>& entries() const { return entries_; }

 private:
  Status AddRows(const std::shared_ptr<arrow::RecordBatch>& rows) {
    const auto keys = rows->GetColumnByName(kHudiKey);
    const auto flags = rows->GetColumnByName(kIsDeleted);
    const auto operations = rows->GetColumnByName(kOperation);
    const auto order = rule_.order_by.empty() ? nullptr : rows->GetColumnByName(rule_.order_by);
    const auto& texts = static_cast<const arrow::StringArray&>(*keys);
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      if (texts.IsNull(i)) {
        return Status::NotImplemented("a record has no _hoodie_record_key "
                                      "(hoodie.populate.meta.fields=false), which is not read");
      }
      Entry entry;
      entry.batch = static_cast<int>(batches_.size());
      entry.row = i;
      entry.deleted =
          (flags->IsValid(i) && static_cast<const arrow::BooleanArray&>(*flags).Value(i)) ||
          (operations->IsValid(i) &&
           static_cast<const arrow::StringArray&>(*operations).GetView(i) == "D");
      if (order != nullptr) entry.order = HudiOrderOf(*order, i);
      Put(texts.GetString(i), std::move(entry));
    }
    batches_.push_back(rows);
    return Status::OK();
  }

  /// Takes a later record of a key, unless the one that is there is of a later time.
  void Put(const std::string& key, Entry entry) {
    const auto [found, is_new] = entries_.try_emplace(key);
    const Entry& old = found->second;
    const bool revives = rule_.deletes_are_unordered && old.deleted && !entry.deleted;
    const bool keeps = !is_new && !revives && !old.DeletesAll() && !entry.DeletesAll() &&
                       IsLater(old.order, entry.order);
    if (!keeps) found->second = std::move(entry);
  }

  const HudiMergeRule& rule_;
  const std::shared_ptr<arrow::Schema> wanted_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::unordered_map<std::string, Entry> entries_;
};

Status AppendOrder(const HudiOrder& order, arrow::ArrayBuilder* builder) {
  if (builder->type()->id() == arrow::Type::INT64 && std::holds_alternative<int64_t>(order)) {
    return static_cast<arrow::Int64Builder*>(builder)->Append(std::get<int64_t>(order));
  }
  if (builder->type()->id() == arrow::Type::DOUBLE && std::holds_alternative<double>(order)) {
    return static_cast<arrow::DoubleBuilder*>(builder)->Append(std::get<double>(order));
  }
  if (builder->type()->id() == arrow::Type::STRING && std::holds_alternative<std::string>(order)) {
    return static_cast<arrow::StringBuilder*>(builder)->Append(std::get<std::string>(order));
  }
  return builder->AppendNull();
}

/// What a slice's merge leaves, as rows of `schema`; those that no batch has are null but for what
/// is told beside the table's columns.
Result<arrow::RecordBatchVector> RowsOf(
    const SliceMerge& merge, int64_t slice, const HudiMergeRule& rule,
    const std::shared_ptr<arrow::Schema>& schema, const arrow::DataType& order_type) {
  using Row = std::pair<int64_t, const std::pair<const std::string, Entry>*>;  // its number first
  std::map<int, std::vector<Row>> by_batch;
  for (const auto& entry : merge.entries()) {
    by_batch[entry.second.batch].emplace_back(entry.second.row, &entry);
  }
  arrow::RecordBatchVector results;
  for (auto& [batch, entries] : by_batch) {
    if (batch >= 0) std::sort(entries.begin(), entries.end());
    const auto count = static_cast<int64_t>(entries.size());
    std::shared_ptr<arrow::RecordBatch> taken;
    if (batch >= 0) {
      std::vector<int64_t> rows;
      for (const auto& entry : entries) rows.push_back(entry.first);
      ARROW_ASSIGN_OR_RAISE(
          taken, TakeRows(merge.batches()[static_cast<size_t>(batch)], std::span(rows)));
    }
    arrow::ArrayVector columns;
    for (const auto& field : schema->fields()) {
      const std::string& name = field->name();
      std::shared_ptr<arrow::Array> column;
      if (name == kHudiSlice) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayFromScalar(arrow::Int64Scalar(slice), count));
      } else if (name == kHudiKey) {
        arrow::StringBuilder keys;
        for (const auto& entry : entries) ARROW_RETURN_NOT_OK(keys.Append(entry.second->first));
        ARROW_ASSIGN_OR_RAISE(column, keys.Finish());
      } else if (name == kHudiOrder) {
        std::unique_ptr<arrow::ArrayBuilder> orders;
        ARROW_RETURN_NOT_OK(
            arrow::MakeBuilder(arrow::default_memory_pool(), order_type.GetSharedPtr(), &orders));
        for (const auto& entry : entries) {
          ARROW_RETURN_NOT_OK(AppendOrder(entry.second->second.order, orders.get()));
        }
        ARROW_ASSIGN_OR_RAISE(column, orders->Finish());
      } else if (name == kHudiDeleted || name == kHudiAlways) {
        arrow::BooleanBuilder flags;
        for (const auto& entry : entries) {
          const Entry& of = entry.second->second;
          const bool always = !rule.base_may_be_later ||
                              (rule.deletes_are_unordered && of.deleted) ||
                              std::holds_alternative<std::monostate>(of.order);
          ARROW_RETURN_NOT_OK(flags.Append(name == kHudiDeleted ? of.deleted : always));
        }
        ARROW_ASSIGN_OR_RAISE(column, flags.Finish());
      } else if (taken != nullptr) {
        column = taken->GetColumnByName(name);
      } else {
        ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), count));
      }
      columns.push_back(std::move(column));
    }
    results.push_back(arrow::RecordBatch::Make(schema, count, std::move(columns)));
  }
  return results;
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> HudiLogSchema(const HudiMergeRule& rule,
                                                     const arrow::Schema& columns) {
  std::shared_ptr<arrow::DataType> order = arrow::int64();
  if (!rule.order_by.empty()) {
    const auto field = columns.GetFieldByName(rule.order_by);
    if (field == nullptr) {
      return Status::TypeError("there is no column '", rule.order_by, "', which orders records",
                               Suggest(rule.order_by, columns.field_names()));
    }
    order = HudiOrderType(*field->type());
    if (order == nullptr) {
      return Status::NotImplemented("records that are ordered by '", rule.order_by,
                                    "' of the type ", field->type()->ToString(),
                                    " are not merged; compact the table");
    }
  }
  arrow::FieldVector fields = columns.fields();
  fields.push_back(arrow::field(kHudiSlice, arrow::int64()));
  fields.push_back(arrow::field(kHudiKey, arrow::utf8()));
  fields.push_back(arrow::field(kHudiOrder, std::move(order)));
  fields.push_back(arrow::field(kHudiDeleted, arrow::boolean()));
  fields.push_back(arrow::field(kHudiAlways, arrow::boolean()));
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::Table>> MergeHudiLogs(FileSystem* file_system,
                                                    const HudiTimeline& timeline,
                                                    const std::vector<HudiSlice>& slices,
                                                    const std::string& as_of,
                                                    const HudiMergeRule& rule,
                                                    const arrow::Schema& schema,
                                                    const std::vector<std::string>& columns) {
  const std::set<std::string> told = {kHudiSlice, kHudiKey, kHudiOrder, kHudiDeleted, kHudiAlways};
  arrow::FieldVector given, read = {arrow::field(kHudiKey, arrow::utf8()),
                                    arrow::field(kIsDeleted, arrow::boolean()),
                                    arrow::field(kOperation, arrow::utf8())};
  for (const std::string& column : columns) {
    given.push_back(schema.GetFieldByName(column));
    if (!told.contains(column)) read.push_back(given.back());
  }
  const auto is_read = [&](const auto& field) { return field->name() == rule.order_by; };
  if (!rule.order_by.empty() && std::none_of(read.begin(), read.end(), is_read)) {
    read.push_back(schema.GetFieldByName(rule.order_by));
  }
  const auto given_schema = arrow::schema(std::move(given));
  const auto read_schema = arrow::schema(std::move(read));
  const auto order_type = schema.GetFieldByName(kHudiOrder)->type();
  std::vector<arrow::RecordBatchVector> merged(slices.size());
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(slices.size()), [&](int64_t i) -> Status {
    const HudiSlice& slice = slices[static_cast<size_t>(i)];
    if (slice.logs.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto blocks,
                          ReadHudiSliceLog(file_system, timeline, slice, as_of));
    SliceMerge merge(rule, read_schema);
    for (const HudiPlacedBlock& placed : blocks) {
      const Status status = merge.Add(placed.block);
      if (!status.ok()) {
        return Explain(status, "Hudi log file '" + placed.path + "', block at byte " +
                                   std::to_string(placed.block.offset));
      }
    }
    ARROW_ASSIGN_OR_RAISE(merged[static_cast<size_t>(i)],
                          RowsOf(merge, i, rule, given_schema, *order_type));
    return Status::OK();
  }));
  arrow::RecordBatchVector all;
  for (const auto& batches : merged) all.insert(all.end(), batches.begin(), batches.end());
  return arrow::Table::FromRecordBatches(given_schema, all);
}

}  // namespace tercet
