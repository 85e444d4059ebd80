#include "view/view_plan.h"

#include <algorithm>
#include <set>

#include "base/name.h"
#include "base/time_text.h"
#include "catalog/feature_type.h"
#include "compute/sort_key.h"
#include "compute/transformation.h"
#include "view/join_key.h"
#include "view/online_needs.h"
#include "view/view_names.h"
#include "view/view_path.h"

namespace tercet {
namespace {

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::vector<std::string> NamesOf(const arrow::Schema& schema) { return schema.field_names(); }

class ResolvedView : public ViewPlan {
 public:
  explicit ResolvedView(const FeatureViewDefinition& definition)
      : definition_(definition), names_(definition.name) {}

  Status Resolve(const Groups& groups, PythonFunctions* python) {
    auto functions = ViewFunctions::Make(definition_.functions, python);
    if (!functions.ok()) return Error(functions.status());
    functions_ = std::move(functions).ValueUnsafe();
    ARROW_RETURN_NOT_OK(AddGroup(definition_.root, groups));
    names_.SetRoot(groups_[0].definition);
    ARROW_RETURN_NOT_OK(ReadParameters());
    auto sources = JoinSources(definition_);
    if (!sources.ok()) return Error(sources.status());
    for (size_t i = 0; i < definition_.joins.size(); ++i) {
      ARROW_RETURN_NOT_OK(AddGroup(definition_.joins[i], groups));
      groups_.back().from = (*sources)[i];
      ARROW_RETURN_NOT_OK(FindLeftKeys(definition_.joins[i], &groups_.back()));
    }
    ARROW_RETURN_NOT_OK(CompileExpressions());
    ARROW_RETURN_NOT_OK(MakeSchemas());
    online_ = FindOnlineNeeds({definition_, groups_, columns_, names_.left_columns(), on_demand_,
                               *parameters_, *features_});
    return CheckTransformations();
  }

  const FeatureViewDefinition& definition() const override { return definition_; }
  const std::vector<ViewGroup>& groups() const override { return groups_; }
  const std::vector<ViewColumn>& columns() const override { return columns_; }
  const std::shared_ptr<arrow::Schema>& feature_schema() const override { return features_; }
  const std::shared_ptr<arrow::Schema>& status_schema() const override { return status_; }
  const std::shared_ptr<arrow::Schema>& label_schema() const override { return labels_; }
  const std::shared_ptr<arrow::Schema>& helper_schema() const override { return helpers_; }
  std::shared_ptr<arrow::Schema> entity_schema() const override { return online_.entities; }
  const std::vector<LeftColumn>& left_columns() const override { return names_.left_columns(); }
  const std::shared_ptr<arrow::Schema>& row_schema() const override { return row_schema_; }
  const std::vector<ViewExpression>& on_demand() const override { return on_demand_; }
  bool online_group(int g) const override { return online_.groups[static_cast<size_t>(g)]; }

  std::vector<std::string> OnDemandInputs(size_t i) const override {
    return InputNames(on_demand_[i].inputs());
  }
  std::vector<std::string> FilterInputs() const override {
    return filter_ ? InputNames(filter_->inputs()) : std::vector<std::string>();
  }

  const std::vector<std::string>& python_features() const override { return python_features_; }
  Status Prepare() const override { return Error(functions_.Prepare()); }
  Status Reserve(const WorkerLimits& limits) const override {
    return Error(functions_.Reserve(limits));
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Evaluate(
      const std::shared_ptr<arrow::RecordBatch>& rows) const override {
    arrow::ArrayVector computed;
    for (const ViewExpression& expression : on_demand_) {
      ARROW_ASSIGN_OR_RAISE(computed.emplace_back(), expression.Evaluate(*rows, computed));
    }
    arrow::ArrayVector arrays;
    arrays.reserve(columns_.size());
    size_t next = 0;
    for (const ViewColumn& column : columns_) {
      if (IsOnDemand(column)) {
        arrays.push_back(computed[next++]);
        continue;
      }
      arrays.push_back(rows->GetColumnByName(column.name));
      if (arrays.back() == nullptr) {
        return Status::Invalid("feature view '", definition_.name, "': the rows have no column '",
                               column.name, "'");
      }
    }
    return arrow::RecordBatch::Make(schema_, rows->num_rows(), std::move(arrays));
  }

  Result<std::shared_ptr<arrow::Array>> EvaluateFilter(
      const std::shared_ptr<arrow::RecordBatch>& rows,
      const std::shared_ptr<arrow::RecordBatch>& columns) const override {
    if (!filter_) return nullptr;
    arrow::ArrayVector computed;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (IsOnDemand(columns_[i])) computed.push_back(columns->column(static_cast<int>(i)));
    }
    return filter_->Evaluate(*rows, computed);
  }

 private:
  Status Error(Status status) const {
    return Explain(status, "feature view '" + definition_.name + "'");
  }

  std::vector<std::string> InputNames(const std::vector<ExpressionInput>& inputs) const {
    std::vector<std::string> names;
    for (const ExpressionInput& input : inputs) {
      names.push_back(input.row_column.empty()
                          ? definition_.on_demand[static_cast<size_t>(input.computed)].first
                          : input.row_column);
    }
    return names;
  }

  static bool IsOnDemand(const ViewColumn& column) {
    return column.group < 0 && column.feature.empty();
  }

  Status AddColumn(ViewColumn column) {
    if (column.name == kEventTime) {
      return Error(
          Status::Invalid("a column can't be named 'event_time', which means the left "
                          "row's own; select it with a prefix"));
    }
    for (const ViewColumn& other : columns_) {
      if (other.name != column.name) continue;
      if (column.group < 0) {
        return Error(Status::Invalid("'", column.name, "' names two columns; call the on-demand ",
                                     "feature or request parameter otherwise"));
      }
      const std::string& group = groups_[static_cast<size_t>(column.group)].definition.name;
      return Error(Status::Invalid("two groups have a column '", column.name,
                                   "'; give the join of '", group, "' a prefix, such as '", group,
                                   "_'"));
    }
    columns_.push_back(std::move(column));
    return Status::OK();
  }

  Status AddGroup(const GroupSelection& selection, const Groups& groups) {
    auto definition = groups(selection.group);
    if (!definition.ok()) return Error(definition.status());
    ViewGroup group;
    group.definition = std::move(definition).ValueUnsafe();
    const FeatureGroupDefinition of = group.definition;  // outlives the move below
    if (of.schema == nullptr) {
      return Error(Status::Invalid("feature group '", of.ref().ToText(), "' has no columns yet; ",
                                   "declare its schema or insert rows first"));
    }
    group.type = selection.type;
    group.ttl_us = selection.ttl_us ? selection.ttl_us : of.ttl_us;
    group.lag_us = selection.lag_us;
    group.horizon_us = selection.horizon_us;
    ARROW_RETURN_NOT_OK(Error(CheckTimes(group)));
    group.features = selection.features;
    if (group.features.empty() && !selection.through) {
      for (const auto& field : of.schema->fields()) {
        if (field->name() == of.event_time || Contains(of.primary_key, field->name())) continue;
        group.features.push_back(field->name());
      }
    }
    arrow::FieldVector keys;
    for (const std::string& key : of.primary_key) keys.push_back(of.schema->GetFieldByName(key));
    group.key_schema = arrow::schema(std::move(keys));
    const int index = static_cast<int>(groups_.size());
    groups_.push_back(std::move(group));
    for (const std::string& feature : groups_.back().features) {
      const auto field = of.schema->GetFieldByName(feature);
      if (field == nullptr) {
        return Error(Status::KeyError("feature group '", of.ref().ToText(), "' has no feature '",
                                      feature, "'", Suggest(feature, NamesOf(*of.schema))));
      }
      const Status fits = CheckFeatureType(*field->type());
      if (!fits.ok()) {
        return Error(Status::TypeError("column '", feature, "' of '", of.ref().ToText(), "': ",
                                       fits.message(), "; select the others by their names"));
      }
      const std::string name = selection.prefix + feature;
      ARROW_RETURN_NOT_OK(
          AddColumn({.name = name, .group = index, .feature = feature, .type = field->type()}));
      names_.AddRow(name, field->type());
      names_.AddQualified(of.name, feature, name, field->type());
    }
    return Status::OK();
  }

  Status ReadParameters() {
    names_.AddRow(kEventTime, EventTimeType());
    arrow::FieldVector fields;
    for (const auto& [name, text] : definition_.request_parameters) {
      auto type = TypeFromText(text);
      if (!type.ok()) {
        return Error(Explain(type.status(), "request parameter '" + name + "'"));
      }
      if (name == kEventTime) {
        return Error(Status::Invalid("a request parameter can't be named 'event_time'"));
      }
      if (names_.Has(name)) {
        return Error(
            Status::Invalid("request parameter '", name, "' has the name of a selected feature"));
      }
      names_.AddRow(name, *type);
      fields.push_back(arrow::field(name, *type));
    }
    parameters_ = arrow::schema(std::move(fields));
    return Status::OK();
  }

  Status FindLeftKeys(const GroupSelection& selection, ViewGroup* group) {
    const FeatureGroupDefinition& right = group->definition;
    ViewGroup& source = groups_[static_cast<size_t>(group->from)];
    const FeatureGroupDefinition& left_group = source.definition;
    const auto no_parameters = arrow::schema(arrow::FieldVector{});
    const arrow::Schema& parameters = group->from == 0 ? *parameters_ : *no_parameters;
    const std::string what = "the join of '" + right.ref().ToText() + "'";
    for (const auto& [left, key] : selection.on) {
      if (!Contains(right.primary_key, key)) {
        return Error(Status::KeyError(what, ": '", key, "' is not of its primary key",
                                      Suggest(key, right.primary_key)));
      }
    }
    std::vector<std::string> left_names = NamesOf(*left_group.schema);
    for (const std::string& name : parameters.field_names()) left_names.push_back(name);
    for (const std::string& key : right.primary_key) {
      const auto pair = std::find_if(selection.on.begin(), selection.on.end(),
                                     [&](const auto& p) { return p.second == key; });
      if (pair == selection.on.end() && !selection.on.empty()) {
        return Error(
            Status::Invalid(what, ": 'on' does not cover its primary key column '", key, "'"));
      }
      const std::string& left = selection.on.empty() ? key : pair->first;
      auto field = left_group.schema->GetFieldByName(left);
      if (field == nullptr) field = parameters.GetFieldByName(left);
      if (field == nullptr) {
        return Error(Status::KeyError(
            what, ": the left side '", left_group.ref().ToText(), "' has no column '", left, "'",
            Suggest(left, left_names),
            selection.on.empty() ? "; say with 'on' which column is its key" : ""));
      }
      ARROW_RETURN_NOT_OK(Error(Explain(
          CheckJoinKey(left, *field->type(), key, *right.schema->GetFieldByName(key)->type()),
          what)));
      if (group->from > 0) ARROW_RETURN_NOT_OK(Error(Explain(GiveKey(left, &source), what)));
      group->left_keys.push_back(left);
    }
    return Status::OK();
  }

  Status CompileExpressions() {
    for (const auto& [name, text] : definition_.on_demand) {
      if (parameters_->GetFieldByName(name) != nullptr) {
        return Error(
            Status::Invalid("on-demand feature '", name, "' has the name of a request parameter"));
      }
      ARROW_RETURN_NOT_OK(Error(CheckColumnName(name)));
      auto expression = ViewExpression::Make("on-demand feature '" + name + "'", text, functions_,
                                             &names_);
      if (!expression.ok()) return Error(expression.status());
      const bool is_feature =
          !Contains(definition_.labels, name) && !Contains(definition_.helper_columns, name);
      for (const ExpressionInput& input : expression->inputs()) {
        const std::string& source = SourceOf(input);
        if (is_feature && Contains(definition_.labels, source)) {
          return Error(Status::Invalid("on-demand feature '", name, "' uses the label '", source,
                                       "', which is not known when a prediction is asked for"));
        }
        if (!OfLabelToCome(source)) continue;
        if (is_feature) {
          return Error(Status::Invalid("on-demand feature '", name, "' uses '", source,
                                       "', which is made of a label with a horizon, and not known ",
                                       "when a prediction is asked for"));
        }
        of_labels_to_come_.insert(name);
      }
      ARROW_RETURN_NOT_OK(
          AddColumn({.name = name, .group = -1, .feature = "", .type = expression->type()}));
      names_.AddComputed(name, expression->type());
      if (expression->is_python()) python_features_.push_back(name);
      on_demand_.push_back(std::move(expression).ValueUnsafe());
    }
    if (definition_.filter.empty()) return Status::OK();
    auto filter = ViewExpression::Make("filter", definition_.filter, functions_, &names_);
    if (!filter.ok()) return Error(filter.status());
    if (filter->type()->id() != arrow::Type::BOOL) {
      return Error(Status::TypeError("the filter '", definition_.filter, "' is ",
                                     filter->type()->ToString(), ", not boolean"));
    }
    for (const ExpressionInput& input : filter->inputs()) {
      const std::string& source = SourceOf(input);
      if (!OfLabelToCome(source)) continue;
      return Error(Status::Invalid("the filter '", definition_.filter, "' uses '", source,
                                   "', a label with a horizon, which is not known where ",
                                   "predictions are made; to leave out rows without it, join it ",
                                   "with type 'inner'"));
    }
    filter_ = std::move(filter).ValueUnsafe();
    return Status::OK();
  }

  /// The view column that an expression's input is.
  const std::string& SourceOf(const ExpressionInput& input) const {
    return input.row_column.empty()
               ? definition_.on_demand[static_cast<size_t>(input.computed)].first
               : input.row_column;
  }

  /// Whether a view column is a label with a horizon, or computed from one.
  bool OfLabelToCome(const std::string& name) const {
    if (of_labels_to_come_.contains(name)) return true;
    return std::any_of(columns_.begin(), columns_.end(), [&](const ViewColumn& column) {
      return column.name == name && column.group > 0 &&
             groups_[static_cast<size_t>(column.group)].horizon_us.has_value();
    });
  }

  Result<std::shared_ptr<arrow::Schema>> SchemaOf(const std::string& noun,
                                                  const std::vector<std::string>& names) {
    arrow::FieldVector fields;
    std::vector<std::string> known;
    for (const ViewColumn& column : columns_) known.push_back(column.name);
    for (const std::string& name : names) {
      const auto column = std::find_if(columns_.begin(), columns_.end(),
                                       [&](const ViewColumn& c) { return c.name == name; });
      if (column == columns_.end()) {
        return Error(Status::KeyError(noun, " '", name, "' is not a column of the view",
                                      Suggest(name, known)));
      }
      fields.push_back(arrow::field(name, column->type));
    }
    return arrow::schema(std::move(fields));
  }

  /// What lies ahead of the left row's time is a label; and what a label says gives no features.
  Status CheckRole(const ViewColumn& column) const {
    if (column.group < 1) return Status::OK();
    const ViewGroup& group = groups_[static_cast<size_t>(column.group)];
    const bool label = column.role == ViewColumn::Role::kLabel;
    if (group.horizon_us && !label) {
      return Status::Invalid("'", column.name, "' is read ", FormatDuration(*group.horizon_us),
                             " after the left row's time, so it is known in training only; make ",
                             "it a label, or join '", group.definition.name,
                             "' without a horizon");
    }
    if (!label) return Status::OK();
    for (const ViewGroup& other : groups_) {
      if (other.from == column.group && Contains(other.left_keys, column.feature)) {
        return Status::Invalid("the join of '", other.definition.ref().ToText(),
                               "' has the label '", column.name, "' as its key, which is not ",
                               "known when a prediction is asked for");
      }
    }
    return Status::OK();
  }

  Status MakeSchemas() {
    for (const std::string& name : definition_.helper_columns) {
      const auto parameter = parameters_->GetFieldByName(name);
      if (parameter == nullptr) continue;
      ARROW_RETURN_NOT_OK(
          AddColumn({.name = name, .group = -1, .feature = name, .type = parameter->type()}));
    }
    ARROW_ASSIGN_OR_RAISE(labels_, SchemaOf("label", definition_.labels));
    ARROW_ASSIGN_OR_RAISE(helpers_, SchemaOf("helper column", definition_.helper_columns));
    arrow::FieldVector features, all;
    for (ViewColumn& column : columns_) {
      all.push_back(arrow::field(column.name, column.type));
      const bool label = labels_->GetFieldByName(column.name) != nullptr;
      const bool helper = helpers_->GetFieldByName(column.name) != nullptr;
      if (label && helper) {
        return Error(Status::Invalid("'", column.name, "' is a label and a helper column; ",
                                     "it can be one of them"));
      }
      if (label) column.role = ViewColumn::Role::kLabel;
      if (helper) column.role = ViewColumn::Role::kHelper;
      ARROW_RETURN_NOT_OK(Error(CheckRole(column)));
      if (!label && !helper) features.push_back(all.back());
    }
    arrow::FieldVector rows;
    const auto add = [&](bool root) {
      for (const ViewColumn& column : columns_) {
        if (column.group >= 0 && (column.group == 0) == root) {
          rows.push_back(arrow::field(column.name, column.type));
        }
      }
    };
    add(true);
    for (const auto& field : parameters_->fields()) rows.push_back(field);
    for (const LeftColumn& column : left_columns()) {
      rows.push_back(arrow::field(column.name, column.type));
    }
    add(false);
    rows.push_back(arrow::field(kEventTime, EventTimeType()));
    row_schema_ = arrow::schema(std::move(rows));
    schema_ = arrow::schema(std::move(all));
    arrow::FieldVector status;
    for (const auto& field : features) status.push_back(arrow::field(field->name(), arrow::utf8()));
    status_ = arrow::schema(std::move(status));
    features_ = arrow::schema(std::move(features));
    return Status::OK();
  }

  /// Each is checked against the schema that those before it leave.
  Status CheckTransformations() {
    auto schema = features_;
    for (const TransformationDefinition& transformation : definition_.transformations) {
      auto after = CheckTransformation(transformation.kind, transformation.columns,
                                       transformation.options, schema, *labels_);
      ARROW_RETURN_NOT_OK(Error(after.status()));
      schema = *after;
    }
    return Status::OK();
  }

  const FeatureViewDefinition definition_;
  ViewNames names_;
  std::vector<ViewGroup> groups_;
  std::vector<ViewColumn> columns_;
  ViewFunctions functions_;
  std::vector<std::string> python_features_;
  std::vector<ViewExpression> on_demand_;
  std::optional<ViewExpression> filter_;
  std::set<std::string> of_labels_to_come_;  // helpers and labels that are computed from them
  OnlineNeeds online_;
  std::shared_ptr<arrow::Schema> parameters_, schema_, row_schema_;
  std::shared_ptr<arrow::Schema> features_, status_, labels_, helpers_;
};

}  // namespace

Result<std::shared_ptr<const ViewPlan>> ViewPlan::Make(const FeatureViewDefinition& definition,
                                                      const Groups& groups,
                                                      PythonFunctions* python) {
  auto view = std::make_shared<ResolvedView>(definition);
  ARROW_RETURN_NOT_OK(view->Resolve(groups, python));
  return view;
}

}  // namespace tercet
