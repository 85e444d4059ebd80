#include "inference/prediction_rows.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>

#include "view/join_key.h"

namespace tercet {
namespace {

using Requests = std::vector<const AnsweredRequest*>;
using Array = std::shared_ptr<arrow::Array>;

std::shared_ptr<arrow::DataType> TimeType() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

/// Columns as they are made.
class RowsBuilder {
 public:
  explicit RowsBuilder(const Requests& requests) : requests_(requests) {
    for (const AnsweredRequest* request : requests) rows_ += request->rows();
  }

  int64_t rows() const { return rows_; }

  /// A column of one of the requests' batches; null where a batch has none of the name.
  Status AddFrom(const std::string& name, const std::string& source,
                 const std::shared_ptr<arrow::DataType>& type,
                 std::shared_ptr<arrow::RecordBatch> AnsweredRequest::*batch) {
    arrow::ArrayVector parts;
    parts.reserve(requests_.size());
    for (const AnsweredRequest* request : requests_) {
      const auto& from = request->*batch;
      Array part = from == nullptr ? nullptr : from->GetColumnByName(source);
      if (part == nullptr) {
        ARROW_ASSIGN_OR_RAISE(part, arrow::MakeArrayOfNull(type, request->rows()));
      } else if (!part->type()->Equals(*type)) {
        ARROW_ASSIGN_OR_RAISE(part, CastColumn(source, part, type));
      }
      parts.push_back(std::move(part));
    }
    if (parts.size() == 1) return Add(name, parts[0]);
    ARROW_ASSIGN_OR_RAISE(const Array whole, arrow::Concatenate(parts));
    return Add(name, whole);
  }

  /// A value a row, of the request and the row in it.
  template <typename Builder, typename Value>
  Status AddEach(const std::string& name, Builder builder, const Value& value) {
    ARROW_RETURN_NOT_OK(builder.Reserve(rows_));
    for (const AnsweredRequest* request : requests_) {
      for (int64_t row = 0; row < request->rows(); ++row) {
        ARROW_RETURN_NOT_OK(builder.Append(value(*request, row)));
      }
    }
    ARROW_ASSIGN_OR_RAISE(const Array array, builder.Finish());
    return Add(name, array);
  }

  /// A list a row, filled by `append`.
  template <typename Builder, typename Append>
  Status AddList(const std::string& name, std::shared_ptr<Builder> values, const Append& append) {
    arrow::ListBuilder lists(arrow::default_memory_pool(), values);
    for (const AnsweredRequest* request : requests_) {
      for (int64_t row = 0; row < request->rows(); ++row) {
        ARROW_RETURN_NOT_OK(lists.Append());
        ARROW_RETURN_NOT_OK(append(*request, row, values.get()));
      }
    }
    ARROW_ASSIGN_OR_RAISE(const Array array, lists.Finish());
    return Add(name, array);
  }

  /// A list a row with an element for each group that was read.
  template <typename Builder, typename Append>
  Status AddReads(const std::string& name, const std::shared_ptr<Builder>& values,
                  const Append& append) {
    return AddList(name, values,
                   [&](const AnsweredRequest& request, int64_t row, Builder* out) -> Status {
                     for (const ReadRows& read : request.reads) {
                       ARROW_RETURN_NOT_OK(append(read, static_cast<size_t>(row), out));
                     }
                     return Status::OK();
                   });
  }

  std::shared_ptr<arrow::RecordBatch> Finish() {
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields_)), rows_, std::move(arrays_));
  }

 private:
  Status Add(const std::string& name, const Array& array) {
    for (const auto& field : fields_) {
      if (field->name() == name) {
        return Status::Invalid("two columns of the prediction log would be named '", name,
                               "': an entity column may not be named like one of the log's own");
      }
    }
    fields_.push_back(arrow::field(name, array->type()));
    arrays_.push_back(array);
    return Status::OK();
  }

  const Requests& requests_;
  int64_t rows_ = 0;
  arrow::FieldVector fields_;
  arrow::ArrayVector arrays_;
};

/// Names of a request's columns that are no keys, in its order.
std::vector<std::string> InputsOf(const AnsweredRequest& request, const arrow::FieldVector& keys) {
  std::vector<std::string> inputs;
  if (request.loaded->plan() == nullptr) return inputs;
  for (const auto& field : request.entities->schema()->fields()) {
    const bool is_key = std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
      return key->name() == field->name();
    });
    if (!is_key && LogInputType(*request.loaded, field->name()) != nullptr) {
      inputs.push_back(field->name());
    }
  }
  return inputs;
}

Status AddRequestColumns(const Requests& requests, RowsBuilder* rows) {
  const auto pool = arrow::default_memory_pool();
  ARROW_RETURN_NOT_OK(rows->AddEach(
      kLogRequestId, arrow::StringBuilder(), [](const AnsweredRequest& request, int64_t row) {
        return request.rows() == 1 ? request.request_id
                                   : request.request_id + "/" + std::to_string(row);
      }));
  ARROW_RETURN_NOT_OK(
      rows->AddEach(kLogEventTime, arrow::TimestampBuilder(TimeType(), pool),
                    [](const AnsweredRequest& request, int64_t) { return request.event_time_us; }));
  ARROW_RETURN_NOT_OK(rows->AddEach(
      kLogRequestTime, arrow::TimestampBuilder(TimeType(), pool),
      [](const AnsweredRequest& request, int64_t) { return request.request_time_us; }));
  const std::string& release_id = requests[0]->loaded->release().id;
  ARROW_RETURN_NOT_OK(rows->AddEach(
      kLogReleaseId, arrow::StringBuilder(),
      [&](const AnsweredRequest&, int64_t) { return std::string_view(release_id); }));
  ARROW_RETURN_NOT_OK(rows->AddEach(
      kLogReleaseNumber, arrow::Int64Builder(),
      [](const AnsweredRequest& request, int64_t) { return request.release_number; }));
  ARROW_RETURN_NOT_OK(rows->AddEach(kLogArm, arrow::StringBuilder(),
                                    [](const AnsweredRequest& request, int64_t) {
                                      return std::string_view(request.main ? "main" : "arm");
                                    }));
  return rows->AddEach(kLogLatency, arrow::DoubleBuilder(),
                       [](const AnsweredRequest& request, int64_t) {
                         return static_cast<double>(request.latency_ns) * 1e-3;
                       });
}

Status AddReadColumns(RowsBuilder* rows) {
  ARROW_RETURN_NOT_OK(rows->AddReads(kLogReadGroup, std::make_shared<arrow::StringBuilder>(),
                                     [](const ReadRows& read, size_t, arrow::StringBuilder* out) {
                                       return out->Append(read.group.ToText());
                                     }));
  ARROW_RETURN_NOT_OK(
      rows->AddReads(kLogReadStatus, std::make_shared<arrow::StringBuilder>(),
                     [](const ReadRows& read, size_t row, arrow::StringBuilder* out) {
                       return out->Append(RowStatusName(read.status[row]));
                     }));
  ARROW_RETURN_NOT_OK(rows->AddReads(
      kLogReadEventTime,
      std::make_shared<arrow::TimestampBuilder>(TimeType(), arrow::default_memory_pool()),
      [](const ReadRows& read, size_t row, arrow::TimestampBuilder* out) {
        const int64_t time_us = read.event_times_us[row];
        return time_us == std::numeric_limits<int64_t>::min() ? out->AppendNull()
                                                              : out->Append(time_us);
      }));
  ARROW_RETURN_NOT_OK(
      rows->AddReads(kLogReadCommit, std::make_shared<arrow::Int64Builder>(),
                     [](const ReadRows& read, size_t row, arrow::Int64Builder* out) {
                       const int64_t commit = read.commits[row];
                       return commit < 0 ? out->AppendNull() : out->Append(commit);
                     }));
  return rows->AddReads(kLogReadVersion, std::make_shared<arrow::Int64Builder>(),
                        [](const ReadRows& read, size_t, arrow::Int64Builder* out) {
                          return out->Append(read.version);
                        });
}

/// The columns of raw outputs, of one type in all requests that have them. A class that gives now
/// this and then that is not kept.
arrow::FieldVector RawFieldsOf(const Requests& requests) {
  arrow::FieldVector fields;
  std::set<std::string> mixed;
  for (const AnsweredRequest* request : requests) {
    if (request->raw_outputs == nullptr) continue;
    for (const auto& field : request->raw_outputs->schema()->fields()) {
      const auto same = std::find_if(fields.begin(), fields.end(), [&](const auto& other) {
        return other->name() == field->name();
      });
      if (same == fields.end()) {
        fields.push_back(field);
      } else if (!(*same)->type()->Equals(*field->type())) {
        mixed.insert(field->name());
      }
    }
  }
  std::erase_if(fields, [&](const auto& field) { return mixed.contains(field->name()); });
  return fields;
}

/// Leaves out the rows of which a key is null.
Result<LogRows> Keyed(const std::shared_ptr<arrow::RecordBatch>& rows, size_t keys) {
  const auto null_in_key = [&](int64_t row) {
    for (size_t k = 0; k < keys; ++k) {
      if (rows->column(static_cast<int>(k))->IsNull(row)) return true;
    }
    return false;
  };
  LogRows answer{.rows = rows, .without_entity = 0};
  arrow::BooleanBuilder keep;
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    const bool without = null_in_key(row);
    answer.without_entity += without;
    ARROW_RETURN_NOT_OK(keep.Append(!without));
  }
  if (answer.without_entity == 0) return answer;
  ARROW_ASSIGN_OR_RAISE(const Array mask, keep.Finish());
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum kept, arrow::compute::Filter(rows, mask));
  answer.rows = kept.record_batch();
  return answer;
}

}  // namespace

arrow::FieldVector LogKeys(const LoadedRelease& loaded) {
  arrow::FieldVector keys;
  const ViewPlan* plan = loaded.plan();
  if (plan == nullptr) return keys;
  const auto entities = plan->entity_schema();
  const auto add = [&](const std::string& name) {
    const auto field = entities->GetFieldByName(name);
    const bool there = std::any_of(keys.begin(), keys.end(),
                                   [&](const auto& key) { return key->name() == name; });
    if (field != nullptr && !there) keys.push_back(arrow::field(name, field->type(), false));
  };
  for (size_t g = 0; g < plan->groups().size(); ++g) {
    if (!plan->online_group(static_cast<int>(g))) continue;
    const ViewGroup& group = plan->groups()[g];
    for (const std::string& key : g == 0 ? group.key_schema->field_names() : group.left_keys) {
      add(key);
    }
  }
  return keys;
}

std::shared_ptr<arrow::DataType> LogInputType(const LoadedRelease& loaded,
                                              const std::string& column) {
  const ViewPlan& plan = *loaded.plan();
  if (const auto field = plan.entity_schema()->GetFieldByName(column)) return field->type();
  for (const ViewColumn& one : plan.columns()) {
    if (one.name == column) return one.type;
  }
  const auto field = plan.groups()[0].definition.schema->GetFieldByName(column);
  return field == nullptr ? nullptr : field->type();
}

Result<LogRows> LogRowsOf(const Requests& requests) {
  const LoadedRelease& loaded = *requests[0]->loaded;
  const arrow::FieldVector keys = LogKeys(loaded);
  RowsBuilder rows(requests);
  for (const auto& key : keys) {
    ARROW_RETURN_NOT_OK(
        rows.AddFrom(key->name(), key->name(), key->type(), &AnsweredRequest::entities));
  }
  ARROW_RETURN_NOT_OK(AddRequestColumns(requests, &rows));
  std::set<std::string> inputs;
  ARROW_RETURN_NOT_OK(rows.AddList(
      kLogInputs, std::make_shared<arrow::StringBuilder>(),
      [&](const AnsweredRequest& request, int64_t, arrow::StringBuilder* out) -> Status {
        for (const std::string& input : InputsOf(request, keys)) {
          inputs.insert(input);
          ARROW_RETURN_NOT_OK(out->Append(input));
        }
        return Status::OK();
      }));
  ARROW_RETURN_NOT_OK(AddReadColumns(&rows));
  for (const std::string& input : inputs) {
    ARROW_RETURN_NOT_OK(rows.AddFrom(std::string(kLogInputPrefix) + input, input,
                                     LogInputType(loaded, input), &AnsweredRequest::entities));
  }
  for (const auto& field : requests[0]->features->schema()->fields()) {
    ARROW_RETURN_NOT_OK(rows.AddFrom(std::string(kLogFeaturePrefix) + field->name(), field->name(),
                                     field->type(), &AnsweredRequest::features));
  }
  for (const auto& field : requests[0]->outputs->schema()->fields()) {
    ARROW_RETURN_NOT_OK(rows.AddFrom(std::string(kLogOutputPrefix) + field->name(), field->name(),
                                     field->type(), &AnsweredRequest::outputs));
  }
  for (const auto& field : RawFieldsOf(requests)) {
    ARROW_RETURN_NOT_OK(rows.AddFrom(std::string(kLogRawPrefix) + field->name(), field->name(),
                                     field->type(), &AnsweredRequest::raw_outputs));
  }
  return Keyed(rows.Finish(), keys.size());
}

}  // namespace tercet
