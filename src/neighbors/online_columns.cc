#include "neighbors/online_columns.h"

#include <algorithm>
#include <limits>

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/cast.h>

namespace tercet {
namespace {

/// Times in microseconds as a column of the group's own type.
Result<std::shared_ptr<arrow::Array>> TimesAs(const std::shared_ptr<arrow::DataType>& type,
                                              const OnlineColumns& columns) {
  const auto micros = arrow::timestamp(
      arrow::TimeUnit::MICRO, type->id() == arrow::Type::TIMESTAMP
                                  ? static_cast<const arrow::TimestampType&>(*type).timezone()
                                  : "");
  arrow::TimestampBuilder builder(micros, arrow::default_memory_pool());
  for (size_t i = 0; i < columns.status.size(); ++i) {
    ARROW_RETURN_NOT_OK(HasRow(columns.status[i]) ? builder.Append(columns.event_times_us[i])
                                                  : builder.AppendNull());
  }
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Array> times, builder.Finish());
  if (type->Equals(*micros)) return times;
  return arrow::compute::Cast(*times, type, arrow::compute::CastOptions::Unsafe());
}

}  // namespace

std::shared_ptr<arrow::Schema> KeySchema(const FeatureGroupDefinition& group) {
  arrow::FieldVector fields;
  for (const std::string& name : group.primary_key) {
    fields.push_back(group.schema->GetFieldByName(name));
  }
  return arrow::schema(std::move(fields));
}

Result<OnlineColumns> ReadOnline(OnlineRows* online, const FeatureGroupDefinition& group,
                                 const std::shared_ptr<arrow::RecordBatch>& keys,
                                 const std::vector<std::string>& names, int64_t time_us) {
  RowsRequest request{.group = group.ref(), .keys = keys, .ttl_us = std::nullopt};
  request.event_times_us.assign(static_cast<size_t>(keys->num_rows()), time_us);
  for (const std::string& name : names) {
    const bool stored = name != group.event_time && keys->schema()->GetFieldIndex(name) < 0;
    if (stored) request.columns.push_back(name);
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<RowsAnswer> answers, online->Read({request}));
  RowsAnswer& answer = answers[0];
  OnlineColumns columns{.rows = nullptr,
                        .status = std::move(answer.status),
                        .event_times_us = std::move(answer.event_times_us),
                        .commit = answer.version};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const std::string& name : names) {
    fields.push_back(group.schema->GetFieldByName(name));
    if (name == group.event_time) {
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), TimesAs(fields.back()->type(), columns));
    } else if (auto key = keys->GetColumnByName(name); key != nullptr) {
      arrays.push_back(std::move(key));
    } else {
      arrays.push_back(answer.rows->GetColumnByName(name));
    }
  }
  columns.rows = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), keys->num_rows(),
                                          std::move(arrays));
  return columns;
}

Result<int64_t> OnlineCommit(OnlineRows* online, const FeatureGroupDefinition& group) {
  ARROW_ASSIGN_OR_RAISE(const auto none, arrow::RecordBatch::MakeEmpty(KeySchema(group)));
  ARROW_ASSIGN_OR_RAISE(const OnlineColumns read, ReadOnline(online, group, none, {}, 0));
  return read.commit;
}

}  // namespace tercet
