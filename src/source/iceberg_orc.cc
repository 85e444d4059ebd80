#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>

#include "base/parallel.h"
#include "source/field_id.h"
#include "source/iceberg_row_reader.h"
#include "source/uuid_text.h"

namespace tercet {
namespace {

using arrow::Type;

constexpr int64_t kBatchRows = 16'384;

Result<std::shared_ptr<arrow::Array>> Become(const std::shared_ptr<arrow::Array>& values,
                                             const arrow::DataType& type);

Result<std::shared_ptr<arrow::Array>> UuidTexts(const arrow::BinaryArray& values) {
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < values.length(); ++i) {
    ARROW_RETURN_NOT_OK(values.IsNull(i) ? texts.AppendNull()
                                         : texts.Append(UuidText(values.GetView(i))));
  }
  return texts.Finish();
}

/// A struct's members by their ids, or by names where they have none.
Result<std::shared_ptr<arrow::Array>> StructOf(const std::shared_ptr<arrow::Array>& values,
                                               const arrow::DataType& type) {
  const arrow::FieldVector& there = values->type()->fields();
  // Members begin where the struct's own buffers do.
  const int64_t length = values->offset() + values->length();
  arrow::ArrayVector members;
  for (const auto& wanted : type.fields()) {
    const auto found = std::find_if(there.begin(), there.end(), [&](const auto& field) {
      const int64_t id = FieldId(*field);
      return id < 0 ? field->name() == wanted->name() : id == FieldId(*wanted);
    });
    if (found == there.end()) {
      ARROW_ASSIGN_OR_RAISE(members.emplace_back(),
                            arrow::MakeArrayOfNull(wanted->type(), length));
      continue;
    }
    const auto& member = values->data()->child_data[static_cast<size_t>(found - there.begin())];
    ARROW_ASSIGN_OR_RAISE(members.emplace_back(),
                          Become(arrow::MakeArray(member), *wanted->type()));
  }
  return std::make_shared<arrow::StructArray>(
      arrow::struct_(type.fields()), values->length(), std::move(members),
      values->null_bitmap(), values->null_count(), values->offset());
}

Result<std::shared_ptr<arrow::Array>> Nested(const std::shared_ptr<arrow::Array>& values,
                                             const std::shared_ptr<arrow::DataType>& type,
                                             std::vector<std::shared_ptr<arrow::Array>> children) {
  const auto data = values->data()->Copy();
  data->type = type;
  data->child_data.clear();
  for (const auto& child : children) data->child_data.push_back(child->data());
  return arrow::MakeArray(data);
}

/// Values as ORC has them in the type of today's column.
Result<std::shared_ptr<arrow::Array>> Become(const std::shared_ptr<arrow::Array>& values,
                                             const arrow::DataType& type) {
  const Type::type from = values->type_id(), to = type.id();
  const auto refused = [&] {
    return Status::TypeError("values of the type ", values->type()->ToString(),
                             " can't become ", type.ToString());
  };
  const auto target = type.GetSharedPtr();
  if (to == Type::STRUCT) return from == to ? StructOf(values, type) : refused();
  if (to == Type::LIST) {
    if (from != to) return refused();
    const auto& list = static_cast<const arrow::ListArray&>(*values);
    ARROW_ASSIGN_OR_RAISE(auto items, Become(list.values(), *type.field(0)->type()));
    return Nested(values, target, {std::move(items)});
  }
  if (to == Type::MAP) {
    if (from != to) return refused();
    const auto& map = static_cast<const arrow::MapArray&>(*values);
    const auto& wanted = static_cast<const arrow::MapType&>(type);
    ARROW_ASSIGN_OR_RAISE(auto keys, Become(map.keys(), *wanted.key_type()));
    ARROW_ASSIGN_OR_RAISE(auto items, Become(map.items(), *wanted.item_type()));
    ARROW_ASSIGN_OR_RAISE(const auto pairs,
                          arrow::StructArray::Make({std::move(keys), std::move(items)},
                                                   wanted.value_type()->fields()));
    return Nested(values, target, {pairs});
  }
  if (values->type()->Equals(type)) return values;
  if (to == Type::STRING && from == Type::BINARY) {
    return UuidTexts(static_cast<const arrow::BinaryArray&>(*values));
  }
  const bool widens = (from == Type::INT32 && to == Type::INT64) ||
                      (from == Type::FLOAT && to == Type::DOUBLE) ||
                      (from == Type::INT64 && to == Type::TIME64) ||
                      (from == Type::DATE32 && to == Type::TIMESTAMP) ||
                      (from == to && (to == Type::TIMESTAMP || to == Type::DECIMAL128));
  if (!widens) return refused();
  InitializeArrow();
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(target);
  // Nanoseconds, of which Iceberg's times have a thousandth.
  options.allow_time_truncate = true;
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(arrow::Datum(values), options));
  return cast.make_array();
}

/// What ORC's library throws at damaged bytes, Arrow calls unknown.
Status AsDamage(const Status& status) {
  return status.IsUnknownError() ? Status::IOError(status.message()) : status;
}

class OrcReader : public IcebergRowReader {
 public:
  OrcReader(std::unique_ptr<arrow::adapters::orc::ORCFileReader> file,
            std::shared_ptr<arrow::Schema> wanted)
      : file_(std::move(file)), wanted_(std::move(wanted)) {}

  Status Begin(const std::map<std::string, int64_t>& names) {
    ARROW_ASSIGN_OR_RAISE(const auto schema, file_->ReadSchema());
    std::map<int64_t, int> places;  // in the file
    const bool has_ids = std::any_of(schema->fields().begin(), schema->fields().end(),
                                     [](const auto& field) { return FieldId(*field) >= 0; });
    for (int i = 0; i < schema->num_fields(); ++i) {
      int64_t id = FieldId(*schema->field(i));
      if (!has_ids) {
        const auto known = names.find(schema->field(i)->name());
        if (known != names.end()) id = known->second;
      }
      if (id >= 0) places[id] = i;
      ids_.insert(id);
    }
    for (const auto& field : wanted_->fields()) {
      const auto found = places.find(FieldId(*field));
      in_file_.push_back(found == places.end() ? -1 : found->second);
      if (in_file_.back() >= 0) read_.push_back(in_file_.back());
    }
    // Rows are counted by a column.
    if (read_.empty() && schema->num_fields() > 0) read_.push_back(0);
    std::sort(read_.begin(), read_.end());
    read_.erase(std::unique(read_.begin(), read_.end()), read_.end());
    return Status::OK();
  }

  const std::set<int64_t>& ids() const override { return ids_; }

  Result<int64_t> Next(arrow::ArrayVector* columns) override {
    std::shared_ptr<arrow::RecordBatch> batch;
    while (batch == nullptr || batch->num_rows() == 0) {
      if (stripe_ == nullptr) {
        if (stripes_read_ == file_->NumberOfStripes()) return 0;
        ++stripes_read_;
        auto stripe = file_->NextStripeReader(kBatchRows, read_);
        if (!stripe.ok()) return AsDamage(stripe.status());
        stripe_ = std::move(*stripe);
        if (stripe_ == nullptr) return 0;
      }
      ARROW_RETURN_NOT_OK(AsDamage(stripe_->ReadNext(&batch)));
      if (batch == nullptr) stripe_ = nullptr;
    }
    columns->clear();
    for (size_t i = 0; i < in_file_.size(); ++i) {
      const auto& field = wanted_->field(static_cast<int>(i));
      if (in_file_[i] < 0) {
        ARROW_ASSIGN_OR_RAISE(columns->emplace_back(),
                              arrow::MakeArrayOfNull(field->type(), batch->num_rows()));
        continue;
      }
      const auto place = std::lower_bound(read_.begin(), read_.end(), in_file_[i]) - read_.begin();
      auto became = Become(batch->column(static_cast<int>(place)), *field->type());
      if (!became.ok()) {
        return Explain(became.status(),
                       "column '" + batch->column_name(static_cast<int>(place)) + "'");
      }
      columns->push_back(std::move(*became));
    }
    return batch->num_rows();
  }

 private:
  const std::unique_ptr<arrow::adapters::orc::ORCFileReader> file_;
  const std::shared_ptr<arrow::Schema> wanted_;
  std::set<int64_t> ids_;
  std::vector<int> in_file_;  // of wanted columns the place in the file; -1: it is not there
  std::vector<int> read_;     // places in the file, ascending
  std::shared_ptr<arrow::RecordBatchReader> stripe_;
  int64_t stripes_read_ = 0;
};

}  // namespace

Result<std::unique_ptr<IcebergRowReader>> IcebergRowReader::OpenOrc(
    std::shared_ptr<arrow::io::RandomAccessFile> file,
    const std::shared_ptr<arrow::Schema>& wanted, const std::map<std::string, int64_t>& names) {
  auto opened = arrow::adapters::orc::ORCFileReader::Open(file, arrow::default_memory_pool());
  if (!opened.ok()) return AsDamage(opened.status());
  auto reader = std::make_unique<OrcReader>(std::move(*opened), wanted);
  ARROW_RETURN_NOT_OK(AsDamage(reader->Begin(names)));
  return reader;
}

}  // namespace tercet
