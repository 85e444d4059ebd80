#include "source/hudi_slice_merge.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/util/byte_size.h>

#include "base/json.h"
#include "compute/take_rows.h"
#include "source/hudi_merge.h"
#include "source/hudi_rows.h"

namespace tercet {
namespace {

/// Whether a text, or bytes, is this one.
bool IsText(const arrow::Array& column, int64_t row, std::string_view text) {
  if (!arrow::is_base_binary_like(column.type_id()) || column.IsNull(row)) return false;
  return static_cast<const arrow::BinaryArray&>(column).GetView(row) == text;
}

bool IsTrue(const arrow::Array& column, int64_t row) {
  return column.IsValid(row) && static_cast<const arrow::BooleanArray&>(column).Value(row);
}

/// Which of the columns the rows of a block have that are not whole.
Result<std::vector<bool>> ColumnsOf(const HudiLogBlock& block, const arrow::Schema& wanted) {
  ARROW_ASSIGN_OR_RAISE(const json::object schema, ParseJsonObject(block.schema));
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(schema, "fields"));
  std::vector<bool> has(static_cast<size_t>(wanted.num_fields()));
  for (const json::value& field : fields) {
    if (!field.is_object()) return Status::Invalid("a field is no object");
    ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field.as_object(), "name"));
    const int column = wanted.GetFieldIndex(name);
    if (column >= 0) has[static_cast<size_t>(column)] = true;
  }
  return has;
}

}  // namespace

Result<int64_t> HudiMemory::Take(const arrow::RecordBatch& rows) {
  const int64_t bytes = arrow::util::TotalBufferSize(rows);
  if (taken_bytes_.fetch_add(bytes) + bytes <= limit_bytes_) return bytes;
  Give(bytes);
  return Status::CapacityError("the records of log files take more than the ", limit_bytes_ >> 20,
                               " MiB that they may; compact the table, or ask for fewer columns");
}

HudiSliceMerge::HudiSliceMerge(const HudiMergeRule& rule, std::shared_ptr<arrow::Schema> wanted,
                               HudiMemory* memory)
    : rule_(rule), wanted_(std::move(wanted)), memory_(memory) {}

Status HudiSliceMerge::Add(const HudiLogBlock& block) {
  if (block.kind == HudiLogBlock::Kind::kDeletes) {
    ARROW_ASSIGN_OR_RAISE(const auto deletes, ReadHudiDeletes(block.content));
    for (const HudiDelete& one : deletes) {
      HudiEntry entry;
      entry.deleted = true;
      entry.order = rule_.order_by.empty() ? HudiOrder() : one.order;
      Put(one.key, std::move(entry));
    }
    return Status::OK();
  }
  std::vector<bool> has;
  if (block.partial) {
    ARROW_ASSIGN_OR_RAISE(has, ColumnsOf(block, *wanted_));
  }
  return ReadHudiBlock(block, wanted_, [&](const auto& rows) { return AddRows({rows, has}); });
}

Status HudiSliceMerge::Hold(Batch batch) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, memory_->Take(*batch.rows));
  held_bytes_ += bytes;
  batches_.push_back(std::move(batch));
  return Status::OK();
}

Status HudiSliceMerge::AddRows(Batch batch) {
  const int number = static_cast<int>(batches_.size());
  ARROW_RETURN_NOT_OK(Hold(std::move(batch)));
  const arrow::RecordBatch& rows = *batches_.back().rows;
  const auto& keys = static_cast<const arrow::StringArray&>(*rows.GetColumnByName(kHudiKey));
  const auto flags = rows.GetColumnByName(kHudiIsDeleted);
  const auto operations = rows.GetColumnByName(kHudiOperation);
  const auto marks =
      rule_.delete_column.empty() ? nullptr : rows.GetColumnByName(rule_.delete_column);
  for (int64_t i = 0; i < rows.num_rows(); ++i) {
    if (keys.IsNull(i)) {
      return Status::NotImplemented("a record has no _hoodie_record_key "
                                    "(hoodie.populate.meta.fields=false), which is not read");
    }
    HudiEntry entry;
    entry.top = {number, i};
    entry.deleted = IsTrue(*flags, i) || IsText(*operations, i, "D") ||
                    (marks != nullptr && IsText(*marks, i, rule_.delete_marker));
    entry.order = OrderOf(rows, i);
    Put(keys.GetString(i), std::move(entry));
  }
  return Status::OK();
}

HudiOrder HudiSliceMerge::OrderOf(const arrow::RecordBatch& rows, int64_t row) const {
  if (rule_.order_by.empty()) return {};
  return HudiOrderOf(*rows.GetColumnByName(rule_.order_by), row);
}

void HudiSliceMerge::Put(const std::string& key, HudiEntry entry) {
  const auto [found, is_new] = entries_.try_emplace(key);
  HudiEntry& old = found->second;
  const bool revives = rule_.deletes_are_unordered && old.deleted && !entry.deleted;
  const bool keeps = !is_new && !revives && !old.DeletesAll() && !entry.DeletesAll() &&
                     IsLater(old.order, entry.order);
  if (!is_new && !old.deleted && !entry.deleted) {
    if (keeps) {
      Lay(&old, entry);
    } else {
      Lay(&entry, old);
    }
  }
  if (!keeps) old = std::move(entry);
}

void HudiSliceMerge::Lay(HudiEntry* high, const HudiEntry& low) const {
  const bool silent = rule_.silent != HudiMergeRule::Silent::kNone && rule_.logs_fill;
  if (!silent && IsWhole(*high)) return;
  high->below.push_back(low.top);
  high->below.insert(high->below.end(), low.below.begin(), low.below.end());
  if (std::holds_alternative<std::monostate>(high->order)) high->order = low.order;
}

bool HudiSliceMerge::IsWhole(const HudiEntry& entry) const {
  const auto is_whole = [&](const HudiPlace& place) {
    return batches_[static_cast<size_t>(place.batch)].has.empty();
  };
  return is_whole(entry.top) || std::any_of(entry.below.begin(), entry.below.end(), is_whole);
}

Status HudiSliceMerge::FillFrom(FileSystem* file_system, const std::string& base) {
  const bool silent = rule_.silent != HudiMergeRule::Silent::kNone;
  const auto lacks = [&](const auto& entry) {
    return !entry.second.deleted && (silent || !IsWhole(entry.second));
  };
  if (base.empty() || std::none_of(entries_.begin(), entries_.end(), lacks)) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system->OpenMapped(base));
  const Status read = ReadHudiParquet(file, *wanted_, [&](const auto& rows) -> Status {
    const auto& keys = static_cast<const arrow::StringArray&>(*rows->GetColumnByName(kHudiKey));
    std::vector<int64_t> used;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      if (keys.IsNull(i)) continue;
      const auto found = entries_.find(keys.GetString(i));
      if (found != entries_.end() && lacks(*found)) used.push_back(i);
    }
    if (used.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto taken, TakeRows(rows, std::span<const int64_t>(used)));
    return AddBase(taken);
  });
  return read.ok() ? read : Explain(read, "Hudi base file '" + base + "'");
}

Status HudiSliceMerge::AddBase(const std::shared_ptr<arrow::RecordBatch>& rows) {
  const int number = static_cast<int>(batches_.size());
  ARROW_RETURN_NOT_OK(Hold({rows, {}}));
  const auto& keys = static_cast<const arrow::StringArray&>(*rows->GetColumnByName(kHudiKey));
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    HudiEntry& entry = entries_.at(keys.GetString(i));
    if (entry.complete) continue;
    entry.complete = true;
    if (rule_.base_may_be_later && IsLater(OrderOf(*rows, i), entry.order)) {
      entry.below.insert(entry.below.begin(), entry.top);
      entry.top = {number, i};
    } else {
      entry.below.push_back({number, i});
    }
  }
  return Status::OK();
}

bool HudiSliceMerge::Shows(const arrow::Array& column, int64_t row) const {
  switch (rule_.silent) {
    case HudiMergeRule::Silent::kNone: return true;
    case HudiMergeRule::Silent::kNulls: return column.IsValid(row);
    case HudiMergeRule::Silent::kMarker: return !IsText(column, row, rule_.marker);
  }
  return true;
}

HudiPlace HudiSliceMerge::PlaceOf(const HudiEntry& entry, int column) const {
  HudiPlace last;
  for (size_t i = 0; i <= entry.below.size(); ++i) {
    const HudiPlace place = i == 0 ? entry.top : entry.below[i - 1];
    const Batch& batch = batches_[static_cast<size_t>(place.batch)];
    if (!batch.has.empty() && !batch.has[static_cast<size_t>(column)]) continue;
    last = place;
    if (Shows(*batch.rows->column(column), place.row)) break;
  }
  return last;
}

Result<std::shared_ptr<arrow::Array>> HudiSliceMerge::Column(
    const std::string& name, const std::vector<const HudiEntry*>& of) const {
  const int column = wanted_->GetFieldIndex(name);
  arrow::ArrayVector chunks;
  std::vector<int64_t> begins;
  int64_t count = 0;
  for (const Batch& batch : batches_) {
    chunks.push_back(batch.rows->column(column));
    begins.push_back(count);
    count += batch.rows->num_rows();
  }
  arrow::Int64Builder rows;
  ARROW_RETURN_NOT_OK(rows.Reserve(static_cast<int64_t>(of.size())));
  for (const HudiEntry* entry : of) {
    const HudiPlace place = PlaceOf(*entry, column);
    if (place.batch < 0) {
      rows.UnsafeAppendNull();
    } else {
      rows.UnsafeAppend(begins[static_cast<size_t>(place.batch)] + place.row);
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto places, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto values, arrow::Concatenate(chunks));
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(values, places));
  return taken.make_array();
}

}  // namespace tercet
