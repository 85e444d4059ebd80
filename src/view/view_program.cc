#include "view/view_program.h"

#include <algorithm>
#include <set>

#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

#include "base/parallel.h"
#include "catalog/feature_view.h"
#include "offline/column_fit.h"
#include "offline/stored_type.h"
#include "view/event_time.h"

namespace tercet {
namespace {

constexpr char kDuckDbItem[] = "l";

/// A column as an engine handed it over, as the view takes it.
Result<std::shared_ptr<arrow::Array>> Logical(std::shared_ptr<arrow::Array> array,
                                              const std::shared_ptr<arrow::DataType>& stored,
                                              const std::shared_ptr<arrow::DataType>& logical) {
  if (array->type_id() == arrow::Type::TIMESTAMP && stored->id() == arrow::Type::TIMESTAMP) {
    // An engine calls the zone as its session does; the number is the same.
    ARROW_ASSIGN_OR_RAISE(array, EventTimeAs(*array, stored));
  } else if (arrow::is_nested(array->type_id())) {
    ARROW_ASSIGN_OR_RAISE(array, FitColumn(array, stored, /*by_id=*/false));
  } else if (!array->type()->Equals(*stored)) {
    ARROW_ASSIGN_OR_RAISE(array, arrow::compute::Cast(*array, stored));
  }
  ARROW_ASSIGN_OR_RAISE(array, ConvertStored(array, logical));
  // Items of a list are called as engines call them, in equal types; but DuckDB, which reads the
  // sources of others, has another name, and that a dataset's bytes have too.
  if (logical->id() != arrow::Type::LIST || logical->field(0)->name() != kDuckDbItem) return array;
  const auto data = array->data()->Copy();
  data->type = logical;
  return arrow::MakeArray(data);
}

}  // namespace

Result<std::shared_ptr<const ViewProgram>> ViewProgram::Make(
    std::shared_ptr<const ViewPlan> plan, std::vector<FittedTransformation> fitted,
    std::vector<std::string> keys, bool has_time) {
  InitializeArrow();
  std::shared_ptr<ViewProgram> program(new ViewProgram());
  program->plan_ = std::move(plan);
  program->fitted_ = std::move(fitted);
  program->keys_ = std::move(keys);
  program->has_time_ = has_time;
  program->FindInputs();
  for (size_t i = 0; i < program->inputs_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(program->inputs_[i].type, StoredType(*program->logical_[i]));
  }
  ARROW_RETURN_NOT_OK(program->FindRows());
  ARROW_RETURN_NOT_OK(program->FindOutputs());
  return program;
}

Result<std::shared_ptr<const ViewProgram>> ViewProgram::FromJson(const json::object& object,
                                                                 PythonFunctions* python) {
  ARROW_ASSIGN_OR_RAISE(const json::object view, FindObject(object, "view"));
  ARROW_ASSIGN_OR_RAISE(const auto definition, FeatureViewDefinition::FromJson(view));
  ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(object, "groups"));
  std::vector<FeatureGroupDefinition> groups;
  for (const json::value& item : items) {
    if (!item.is_object()) return Status::Invalid("a group of a view's program must be an object");
    ARROW_ASSIGN_OR_RAISE(groups.emplace_back(),
                          FeatureGroupDefinition::FromJson(item.as_object()));
  }
  const auto group_of = [&](const Ref& ref) -> Result<FeatureGroupDefinition> {
    for (const FeatureGroupDefinition& group : groups) {
      if (group.ref() == ref) return group;
    }
    return Status::Invalid("a view's program lacks its feature group '", ref.ToText(), "'");
  };
  ARROW_ASSIGN_OR_RAISE(auto plan, ViewPlan::Make(definition, group_of, python));
  ARROW_ASSIGN_OR_RAISE(const json::array fitted, FindArray(object, "fitted"));
  ARROW_ASSIGN_OR_RAISE(auto transformations, FittedFromJson(fitted));
  ARROW_ASSIGN_OR_RAISE(auto keys, FindStrings(object, "keys"));
  ARROW_ASSIGN_OR_RAISE(const auto has_time, FindBool(object, "has_time"));
  return Make(std::move(plan), std::move(transformations), std::move(keys),
              has_time.value_or(false));
}

json::object ViewProgram::ToJson() const {
  json::array groups, fitted, keys;
  std::set<Ref> named;
  for (const ViewGroup& group : plan_->groups()) {
    if (named.insert(group.definition.ref()).second) groups.push_back(group.definition.ToJson());
  }
  for (const FittedTransformation& one : fitted_) fitted.push_back(one.ToJson());
  for (const std::string& key : keys_) keys.emplace_back(key);
  return {{"view", plan_->definition().ToJson()},
          {"groups", std::move(groups)},
          {"fitted", std::move(fitted)},
          {"keys", std::move(keys)},
          {"has_time", has_time_}};
}

void ViewProgram::FindInputs() {
  const FeatureGroupDefinition& root = plan_->groups()[0].definition;
  const auto add = [&](int group, const std::string& column,
                       const std::shared_ptr<arrow::DataType>& type) {
    inputs_.push_back({group, column, nullptr});
    logical_.push_back(type);
    return static_cast<int>(inputs_.size()) - 1;
  };
  // The root's event time means the left row's time, which comes by itself.
  const auto add_left = [&](const std::string& column,
                            const std::shared_ptr<arrow::DataType>& type) {
    return column == root.event_time ? -1 : add(0, column, type);
  };
  for (const ViewColumn& column : plan_->columns()) {
    if (column.group == 0) row_inputs_.push_back(add_left(column.feature, column.type));
  }
  for (const auto& parameter : plan_->definition().request_parameters) {
    const auto type = plan_->row_schema()->field(static_cast<int>(row_inputs_.size()))->type();
    row_inputs_.push_back(add(0, parameter.first, type));
  }
  for (const LeftColumn& column : plan_->left_columns()) {
    row_inputs_.push_back(add_left(column.column, column.type));
  }
  for (const ViewColumn& column : plan_->columns()) {
    if (column.group > 0) row_inputs_.push_back(add(column.group, column.feature, column.type));
  }
  std::erase(keys_, root.event_time);
  for (const std::string& key : keys_) {
    std::shared_ptr<arrow::DataType> type;
    for (const auto& [parameter, text] : plan_->definition().request_parameters) {
      if (parameter == key) type = plan_->row_schema()->GetFieldByName(key)->type();
    }
    add(0, key, type != nullptr ? type : root.schema->GetFieldByName(key)->type());
  }
}

Status ViewProgram::FindRows() {
  for (const auto& schema :
       {plan_->feature_schema(), plan_->label_schema(), plan_->helper_schema()}) {
    row_.insert(row_.end(), schema->fields().begin(), schema->fields().end());
  }
  for (size_t k = inputs_.size() - keys_.size(); k < inputs_.size(); ++k) {
    row_.push_back(arrow::field(inputs_[k].column, logical_[k]));
  }
  if (has_time_) row_.push_back(arrow::field(kEventTime, EventTimeType()));
  arrow::FieldVector fields;
  for (const auto& field : row_) {
    ARROW_ASSIGN_OR_RAISE(auto stored, StoredType(*field->type()));
    fields.push_back(arrow::field("r" + std::to_string(fields.size()), std::move(stored)));
  }
  rows_schema_ = arrow::schema(std::move(fields));
  return Status::OK();
}

Status ViewProgram::FindOutputs() {
  std::shared_ptr<arrow::Schema> features = plan_->feature_schema();
  const int first_other = features->num_fields();
  if (!fitted_.empty()) {
    ARROW_ASSIGN_OR_RAISE(transformations_, TransformationPlan::Make(fitted_, features));
    features = transformations_->output_schema();
  }
  arrow::FieldVector fields;
  std::set<std::string> names;
  const auto add = [&](const arrow::Field& field, Output output) -> Status {
    if (!names.insert(field.name()).second) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto stored, StoredType(*field.type()));
    fields.push_back(arrow::field(field.name(), std::move(stored)));
    outputs_.push_back(output);
    return Status::OK();
  };
  for (int i = 0; i < features->num_fields(); ++i) {
    ARROW_RETURN_NOT_OK(add(*features->field(i), {.is_feature = true, .column = i}));
  }
  for (int i = first_other; i < static_cast<int>(row_.size()); ++i) {
    ARROW_RETURN_NOT_OK(add(*row_[static_cast<size_t>(i)], {.is_feature = false, .column = i}));
  }
  output_ = arrow::schema(std::move(fields));
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgram::RowsOf(
    const std::vector<std::shared_ptr<arrow::Array>>& inputs,
    const std::shared_ptr<arrow::Array>& times) const {
  arrow::ArrayVector columns;
  for (const int input : row_inputs_) {
    if (input >= 0) {
      columns.push_back(inputs[static_cast<size_t>(input)]);
      continue;
    }
    const FeatureGroupDefinition& root = plan_->groups()[0].definition;
    ARROW_ASSIGN_OR_RAISE(
        columns.emplace_back(),
        EventTimeAs(*times, root.schema->GetFieldByName(root.event_time)->type()));
  }
  columns.push_back(times);
  return arrow::RecordBatch::Make(plan_->row_schema(), times->length(), std::move(columns));
}

Result<arrow::ArrayVector> ViewProgram::Evaluate(const arrow::RecordBatch& joined) const {
  if (joined.num_columns() != static_cast<int>(inputs_.size()) + 1) {
    return Status::TypeError("a view's program takes ", inputs_.size() + 1, " columns, not ",
                             joined.num_columns());
  }
  arrow::ArrayVector inputs;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    auto logical = Logical(joined.column(static_cast<int>(i)), inputs_[i].type, logical_[i]);
    if (!logical.ok()) {
      return Explain(logical.status(), "column '" + inputs_[i].column + "'");
    }
    inputs.push_back(*std::move(logical));
  }
  const auto& micros = joined.column(joined.num_columns() - 1);
  if (micros->type_id() != arrow::Type::INT64) {
    return Status::TypeError("event times of a view's program are int64 microseconds, not ",
                             micros->type()->ToString());
  }
  ARROW_ASSIGN_OR_RAISE(const auto times, micros->View(EventTimeType()));
  ARROW_ASSIGN_OR_RAISE(const auto rows, RowsOf(inputs, times));
  ARROW_ASSIGN_OR_RAISE(auto columns, plan_->Evaluate(rows));
  ARROW_ASSIGN_OR_RAISE(const auto kept, plan_->EvaluateFilter(rows, columns));

  arrow::ArrayVector row;
  for (const auto& schema :
       {plan_->feature_schema(), plan_->label_schema(), plan_->helper_schema()}) {
    for (const std::string& name : schema->field_names()) {
      row.push_back(columns->GetColumnByName(name));
    }
  }
  row.insert(row.end(), inputs.end() - static_cast<std::ptrdiff_t>(keys_.size()), inputs.end());
  if (has_time_) row.push_back(times);
  if (kept == nullptr) return row;
  for (auto& column : row) {
    ARROW_ASSIGN_OR_RAISE(const auto values, arrow::compute::Filter(column, kept));
    column = values.make_array();
  }
  return row;
}

Result<arrow::ArrayVector> ViewProgram::Received(const arrow::RecordBatch& rows) const {
  if (rows.num_columns() != static_cast<int>(row_.size())) {
    return Status::TypeError("rows of the view have ", row_.size(), " columns, not ",
                             rows.num_columns());
  }
  arrow::ArrayVector row;
  for (int i = 0; i < rows.num_columns(); ++i) {
    const auto& field = row_[static_cast<size_t>(i)];
    auto logical = Logical(rows.column(i), rows_schema_->field(i)->type(), field->type());
    if (!logical.ok()) return Explain(logical.status(), "column '" + field->name() + "'");
    row.push_back(*std::move(logical));
  }
  return row;
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgram::Transformed(const arrow::ArrayVector& row,
                                                                     int64_t count) const {
  const auto& schema = plan_->feature_schema();
  auto features = arrow::RecordBatch::Make(
      schema, count, arrow::ArrayVector(row.begin(), row.begin() + schema->num_fields()));
  if (transformations_ != nullptr) {
    ARROW_ASSIGN_OR_RAISE(features, transformations_->Apply(features));
  }
  arrow::ArrayVector out;
  for (const Output& output : outputs_) {
    const auto& values = output.is_feature ? features->column(output.column)
                                           : row[static_cast<size_t>(output.column)];
    ARROW_ASSIGN_OR_RAISE(
        auto stored,
        ConvertStored(values, output_->field(static_cast<int>(out.size()))->type()));
    out.push_back(std::move(stored));
  }
  return arrow::RecordBatch::Make(output_, count, std::move(out));
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgram::Run(
    const arrow::RecordBatch& joined) const {
  ARROW_ASSIGN_OR_RAISE(const arrow::ArrayVector row, Evaluate(joined));
  return Transformed(row, row.empty() ? joined.num_rows() : row[0]->length());
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgram::Rows(
    const arrow::RecordBatch& joined) const {
  ARROW_ASSIGN_OR_RAISE(arrow::ArrayVector row, Evaluate(joined));
  const int64_t count = row.empty() ? joined.num_rows() : row[0]->length();
  for (size_t i = 0; i < row.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(
        row[i], ConvertStored(row[i], rows_schema_->field(static_cast<int>(i))->type()));
  }
  return arrow::RecordBatch::Make(rows_schema_, count, std::move(row));
}

Result<std::shared_ptr<arrow::RecordBatch>> ViewProgram::Finish(
    const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(const arrow::ArrayVector row, Received(rows));
  return Transformed(row, rows.num_rows());
}

Result<ViewRows> ViewProgram::AsRead(const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(const arrow::ArrayVector row, Received(rows));
  const auto keys_end = static_cast<std::ptrdiff_t>(row_.size()) - (has_time_ ? 1 : 0);
  const std::ptrdiff_t keys_begin = keys_end - static_cast<std::ptrdiff_t>(keys_.size());
  const auto table = [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    return arrow::Table::Make(
        arrow::schema(arrow::FieldVector(row_.begin() + begin, row_.begin() + end)),
        arrow::ArrayVector(row.begin() + begin, row.begin() + end), rows.num_rows());
  };
  return ViewRows{
      .columns = table(0, keys_begin),
      .keys = table(keys_begin, keys_end),
      .event_time = has_time_ ? std::make_shared<arrow::ChunkedArray>(row.back()) : nullptr,
      .pins = {}};
}

}  // namespace tercet
