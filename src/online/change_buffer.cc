#include "online/change_buffer.h"

#include <unordered_set>

#include <arrow/array.h>

#include "base/name.h"
#include "compute/sort_key.h"

namespace tercet {
namespace {

template <typename ArrayType>
Result<const ArrayType*> ColumnOf(const arrow::RecordBatch& batch, const std::string& name,
                                  arrow::Type::type type) {
  const int index = batch.schema()->GetFieldIndex(name);
  if (index < 0 || batch.schema()->field(index)->type()->id() != type) {
    return Status::Invalid("online store: a change feed without a column '", name, "' of the type ",
                           arrow::internal::ToString(type), "; it has ",
                           batch.schema()->ToString());
  }
  return static_cast<const ArrayType*>(batch.column(index).get());
}

}  // namespace

ChangeBuffer::ChangeBuffer(std::shared_ptr<const GroupState> state) : state_(std::move(state)) {}

Status ChangeBuffer::Add(const std::shared_ptr<arrow::RecordBatch>& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto* types,
                        ColumnOf<arrow::StringArray>(*batch, "_change_type", arrow::Type::STRING));
  ARROW_ASSIGN_OR_RAISE(const auto* commits,
                        ColumnOf<arrow::Int64Array>(*batch, "_commit_version", arrow::Type::INT64));
  if (key_layout_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(key_layout_, RowLayout::Make(state_->key_schema));
  }
  ARROW_ASSIGN_OR_RAISE(const RowEncoder rows, RowEncoder::Make(state_->layout(), batch));
  ARROW_ASSIGN_OR_RAISE(const RowEncoder key_columns, RowEncoder::Make(key_layout_, batch));
  std::vector<std::shared_ptr<arrow::Array>> key_arrays;
  for (const auto& field : state_->key_schema->fields()) {
    key_arrays.push_back(batch->GetColumnByName(field->name()));
    if (key_arrays.back() == nullptr) {
      return Status::Invalid("online store: changes of feature group '",
                             state_->definition.ref().ToText(), "' lack the key column '",
                             field->name(), "'",
                             Suggest(field->name(), batch->schema()->field_names()));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(key_arrays));
  std::shared_ptr<arrow::Int64Array> times;
  if (!state_->definition.event_time.empty()) {
    const auto column = batch->GetColumnByName(state_->definition.event_time);
    if (column == nullptr) {
      return Status::Invalid("online store: changes of feature group '",
                             state_->definition.ref().ToText(), "' lack the event time column '",
                             state_->definition.event_time, "'");
    }
    ARROW_ASSIGN_OR_RAISE(times, EventTimeMicros(*column));
  }
  // Nearly every old image has its new one, of the same key and event time, in the same batch: it
  // then need not be remembered until the commit's end.
  std::unordered_set<std::string> replaced;
  const auto row_name = [&](int64_t i) {
    std::string name = keys.ToBytes(i);
    const int64_t time = times == nullptr ? 0 : times->Value(i);
    name.append(reinterpret_cast<const char*>(&time), sizeof(time));
    return name;
  };
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    if (types->GetView(i) == "update_postimage") replaced.insert(row_name(i));
  }
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    if (commits->Value(i) != commit_) {
      ReleaseRemovals();
      commit_ = commits->Value(i);
    }
    // A foreign writer may have written what can't be a row of ours; no read finds it offline.
    if (!keys.valid(i) || (times != nullptr && times->IsNull(i))) continue;
    const std::string_view type = types->GetView(i);
    Change change{.event_time_us = times == nullptr ? kNoEventTime : times->Value(i),
                  .commit = commit_,
                  .removal = type == "delete" || type == "update_preimage"};
    if (change.removal) {
      if (!replaced.empty() && type == "update_preimage" && replaced.contains(row_name(i)))
        continue;
      ARROW_RETURN_NOT_OK(key_columns.Append(i, &change.bytes));
      removals_.push_back({keys.ToBytes(i), std::move(change)});
    } else if (type == "insert" || type == "update_postimage") {
      ARROW_RETURN_NOT_OK(rows.Append(i, &change.bytes));
      AddChange(keys.ToBytes(i), std::move(change));
    } else {
      return Status::Invalid("online store: a change feed with the unknown change type '", type,
                             "'");
    }
  }
  return Status::OK();
}

void ChangeBuffer::AddChange(const std::string& key, Change change) {
  bytes_ += change.bytes.size();
  changes_[key].push_back(std::move(change));
}

void ChangeBuffer::ReleaseRemovals() {
  for (Removal& removal : removals_) AddChange(removal.key, std::move(removal.change));
  removals_.clear();
}

void ChangeBuffer::Clear() {
  changes_.clear();
  bytes_ = 0;
}

}  // namespace tercet
