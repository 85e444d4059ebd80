#include "source/hudi_merge.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>

#include "base/name.h"
#include "base/parallel.h"
#include "source/hudi_slice_log.h"
#include "source/hudi_slice_merge.h"

namespace tercet {
namespace {

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

/// What a slice's merge leaves of some of its records, as rows of `schema`. Of deletes only what is
/// told beside the table's columns is not null.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOf(
    const HudiSliceMerge& merge, const std::vector<const std::string*>& keys,
    const std::vector<const HudiEntry*>& entries, bool deleted, int64_t slice,
    const HudiMergeRule& rule, const std::shared_ptr<arrow::Schema>& schema) {
  const auto count = static_cast<int64_t>(entries.size());
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    const std::string& name = field->name();
    std::shared_ptr<arrow::Array>& column = columns.emplace_back();
    if (name == kHudiSlice) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayFromScalar(arrow::Int64Scalar(slice), count));
    } else if (name == kHudiKey) {
      arrow::StringBuilder texts;
      for (const std::string* key : keys) ARROW_RETURN_NOT_OK(texts.Append(*key));
      ARROW_ASSIGN_OR_RAISE(column, texts.Finish());
    } else if (name == kHudiOrder) {
      std::unique_ptr<arrow::ArrayBuilder> orders;
      ARROW_RETURN_NOT_OK(
          arrow::MakeBuilder(arrow::default_memory_pool(), field->type(), &orders));
      for (const HudiEntry* of : entries) {
        ARROW_RETURN_NOT_OK(AppendOrder(of->order, orders.get()));
      }
      ARROW_ASSIGN_OR_RAISE(column, orders->Finish());
    } else if (name == kHudiDeleted) {
      ARROW_ASSIGN_OR_RAISE(column,
                            arrow::MakeArrayFromScalar(arrow::BooleanScalar(deleted), count));
    } else if (name == kHudiAlways) {
      arrow::BooleanBuilder flags;
      for (const HudiEntry* of : entries) {
        ARROW_RETURN_NOT_OK(flags.Append(!rule.base_may_be_later || of->complete ||
                                         (rule.deletes_are_unordered && deleted) ||
                                         std::holds_alternative<std::monostate>(of->order)));
      }
      ARROW_ASSIGN_OR_RAISE(column, flags.Finish());
    } else if (deleted) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), count));
    } else {
      ARROW_ASSIGN_OR_RAISE(column, merge.Column(name, entries));
    }
  }
  return arrow::RecordBatch::Make(schema, count, std::move(columns));
}

/// All that a slice's merge leaves.
Result<arrow::RecordBatchVector> RowsOf(const HudiSliceMerge& merge, int64_t slice,
                                        const HudiMergeRule& rule,
                                        const std::shared_ptr<arrow::Schema>& schema) {
  arrow::RecordBatchVector results;
  for (const bool deleted : {false, true}) {
    std::vector<const std::string*> keys;
    std::vector<const HudiEntry*> entries;
    for (const auto& [key, entry] : merge.entries()) {
      if (entry.deleted != deleted) continue;
      keys.push_back(&key);
      entries.push_back(&entry);
    }
    if (entries.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(results.emplace_back(),
                          RowsOf(merge, keys, entries, deleted, slice, rule, schema));
  }
  return results;
}

/// The columns to read of records for those of `schema` that are wanted.
Result<std::shared_ptr<arrow::Schema>> ReadSchema(const HudiMergeRule& rule,
                                                  const arrow::Schema& schema,
                                                  const std::vector<std::string>& columns) {
  const std::set<std::string> told = {kHudiSlice, kHudiKey, kHudiOrder, kHudiDeleted, kHudiAlways};
  arrow::FieldVector read = {arrow::field(kHudiKey, arrow::utf8()),
                             arrow::field(kHudiIsDeleted, arrow::boolean()),
                             arrow::field(kHudiOperation, arrow::utf8())};
  const auto add = [&](const std::string& name) {
    const auto there = [&](const auto& field) { return field->name() == name; };
    const auto field = schema.GetFieldByName(name);
    if (field != nullptr && std::none_of(read.begin(), read.end(), there)) read.push_back(field);
  };
  for (const std::string& column : columns) {
    if (!told.contains(column)) add(column);
  }
  add(rule.order_by);
  add(rule.delete_column);
  const auto marks = schema.GetFieldByName(rule.delete_column);
  if (marks != nullptr && marks->type()->id() != arrow::Type::STRING) {
    return Status::NotImplemented("column '", rule.delete_column, "', which marks deletes, is ",
                                  marks->type()->ToString(), " and no text; compact the table");
  }
  return arrow::schema(std::move(read));
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
                                                    const HudiMerge& how,
                                                    const arrow::Schema& schema,
                                                    const std::vector<std::string>& columns) {
  arrow::FieldVector fields;
  for (const std::string& column : columns) fields.push_back(schema.GetFieldByName(column));
  const auto given = arrow::schema(std::move(fields));
  ARROW_ASSIGN_OR_RAISE(const auto read, ReadSchema(how.rule, schema, columns));
  HudiMemory memory(how.memory_bytes);
  std::vector<arrow::RecordBatchVector> merged(slices.size());
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(slices.size()), [&](int64_t i) -> Status {
    const HudiSlice& slice = slices[static_cast<size_t>(i)];
    if (slice.logs.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto blocks,
                          ReadHudiSliceLog(file_system, timeline, slice, how.as_of));
    HudiSliceMerge merge(how.rule, read, &memory);
    for (const HudiPlacedBlock& placed : blocks) {
      const Status status = merge.Add(placed.block);
      if (!status.ok()) {
        return Explain(status, "Hudi log file '" + placed.path + "', block at byte " +
                                   std::to_string(placed.block.offset));
      }
    }
    ARROW_RETURN_NOT_OK(merge.FillFrom(file_system, slice.base));
    arrow::RecordBatchVector& rows = merged[static_cast<size_t>(i)];
    ARROW_ASSIGN_OR_RAISE(rows, RowsOf(merge, i, how.rule, given));
    for (const auto& batch : rows) ARROW_RETURN_NOT_OK(memory.Take(*batch).status());
    return Status::OK();
  }));
  arrow::RecordBatchVector all;
  for (const auto& batches : merged) all.insert(all.end(), batches.begin(), batches.end());
  return arrow::Table::FromRecordBatches(given, all);
}

}  // namespace tercet
