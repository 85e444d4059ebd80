#include <algorithm>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/name.h"
#include "compute/expression_binder.h"
#include "compute/transformation.h"
#include "compute/transformation_kind.h"

namespace tercet {
namespace {

/// A column of the output while a plan is made: an input column as it is, or a computed value.
struct PlannedColumn {
  std::shared_ptr<arrow::Field> field;
  int input = -1;
  std::optional<expr::Value> value;
};

class Plan : public TransformationPlan {
 public:
  /// `sources`: per output column, the input column (≥ 0) or −1 − the program's result.
  Plan(std::shared_ptr<arrow::Schema> schema, int input_columns, std::vector<int> sources,
       expr::Program program)
      : schema_(std::move(schema)),
        input_columns_(input_columns),
        sources_(std::move(sources)),
        program_(std::move(program)) {}

  const std::shared_ptr<arrow::Schema>& output_schema() const override { return schema_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Apply(
      const std::shared_ptr<arrow::RecordBatch>& batch) const override {
    if (batch->num_columns() != input_columns_) {
      return Status::Invalid("transformations were planned for ", input_columns_,
                             " columns, and got a batch of ", batch->num_columns());
    }
    ARROW_ASSIGN_OR_RAISE(arrow::ArrayDataVector computed, program_.Evaluate(*batch));
    arrow::ArrayDataVector columns;
    columns.reserve(sources_.size());
    for (int source : sources_) {
      columns.push_back(source >= 0 ? batch->column_data()[static_cast<size_t>(source)]
                                    : std::move(computed[static_cast<size_t>(-1 - source)]));
    }
    return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
  }

  bool takes_cells() const override { return program_.takes_cells() || program_.results.empty(); }

  Status ApplyRow(std::span<const Cell> row, Arena* memory,
                  std::span<Cell> answers) const override {
    const size_t count = program_.results.size();
    auto* computed = memory->TakeArray<Cell>(count);
    ARROW_RETURN_NOT_OK(program_.EvaluateRow(row, memory, {computed, count}));
    for (size_t k = 0; k < sources_.size(); ++k) {
      const int source = sources_[k];
      answers[k] = source >= 0 ? row[static_cast<size_t>(source)] : computed[-1 - source];
    }
    return Status::OK();
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const int input_columns_;
  const std::vector<int> sources_;
  const expr::Program program_;
};

using Planned = std::vector<PlannedColumn>;

int IndexOf(const Planned& planned, const std::string& name) {
  for (size_t k = 0; k < planned.size(); ++k) {
    if (planned[k].field->name() == name) return static_cast<int>(k);
  }
  return -1;
}

Status AtColumn(const Status& status, const FittedTransformation& fitted,
                const std::string& column) {
  if (status.ok()) return status;
  return status.WithMessage("column '", column, "' of ", fitted.kind, " ", status.message());
}

/// The column's value in the program; `column` is named in its errors.
Result<expr::Value> ValueOf(expr::Binder& binder, PlannedColumn& planned) {
  if (!planned.value) {
    ARROW_ASSIGN_OR_RAISE(planned.value, binder.Column(planned.input, planned.field->type()));
  }
  return *planned.value;
}

Result<const json::object*> ParametersOf(const FittedTransformation& fitted,
                                         const std::string& column) {
  const json::value* parameters = fitted.parameters.if_contains(column);
  if (parameters == nullptr || !parameters->is_object()) {
    return Status::Invalid(fitted.kind, " has no fitted parameters of column '", column, "'");
  }
  return &parameters->get_object();
}

PlannedColumn Computed(const std::string& name, const expr::Value& value) {
  return {arrow::field(name, expr::ArrowTypeOf(value.type)), -1, value};
}

/// Binds one column of one transformation; in `planned` what it makes of it takes its place.
Status BindColumn(expr::Binder& binder, const FittedTransformation& fitted,
                  const std::string& column, Planned* planned) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* kind, FindTransformationKind(fitted.kind));
  const int at = IndexOf(*planned, column);
  if (at < 0) {
    std::vector<std::string> names;
    for (const PlannedColumn& one : *planned) names.push_back(one.field->name());
    return Status::KeyError(fitted.kind, " has no column '", column, "' to transform",
                            Suggest(column, names));
  }
  ARROW_ASSIGN_OR_RAISE(const json::object* parameters, ParametersOf(fitted, column));
  expr::Node node{.form = expr::Node::Form::kColumn, .name = column};
  binder.Enter(node);
  std::vector<PlannedColumn> made;
  const auto bind = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const expr::Value input,
                          ValueOf(binder, (*planned)[static_cast<size_t>(at)]));
    ARROW_RETURN_NOT_OK(kind->check(fitted.options, input.type.kind));
    ARROW_ASSIGN_OR_RAISE(const auto values,
                          kind->bind(binder, input, fitted.options, *parameters));
    ARROW_ASSIGN_OR_RAISE(const auto names,
                          OutputNames(*kind, column, fitted.options, *parameters));
    for (size_t k = 0; k < names.size(); ++k) made.push_back(Computed(names[k], values[k]));
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(AtColumn(bind(), fitted, column));
  planned->erase(planned->begin() + at);
  planned->insert(planned->begin() + at, made.begin(), made.end());
  return Status::OK();
}

/// Undoes one column of one transformation: what it made is replaced by what it was made of. Left
/// as it is where some of that is not there.
Status UndoColumn(expr::Binder& binder, const FittedTransformation& fitted,
                  const std::string& column, Planned* planned) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* kind, FindTransformationKind(fitted.kind));
  ARROW_ASSIGN_OR_RAISE(const json::object* parameters, ParametersOf(fitted, column));
  ARROW_ASSIGN_OR_RAISE(const auto names,
                        OutputNames(*kind, column, fitted.options, *parameters));
  std::vector<expr::Value> outputs;
  int first = static_cast<int>(planned->size());
  for (const std::string& name : names) {
    const int at = IndexOf(*planned, name);
    if (at < 0) return Status::OK();
    first = std::min(first, at);
    expr::Node node{.form = expr::Node::Form::kColumn, .name = name};
    binder.Enter(node);
    ARROW_ASSIGN_OR_RAISE(outputs.emplace_back(),
                          ValueOf(binder, (*planned)[static_cast<size_t>(at)]));
  }
  if (kind->inverse == nullptr) {
    return Status::Invalid("column '", column, "' of ", fitted.kind,
                           " can't be undone: it has no inverse");
  }
  expr::Node node{.form = expr::Node::Form::kColumn, .name = column};
  binder.Enter(node);
  const auto value = kind->inverse(binder, outputs, fitted.options, *parameters);
  ARROW_RETURN_NOT_OK(AtColumn(value.status(), fitted, column));
  const PlannedColumn undone = Computed(column, *value);
  std::erase_if(*planned, [&](const PlannedColumn& one) {
    return std::find(names.begin(), names.end(), one.field->name()) != names.end();
  });
  planned->insert(planned->begin() + std::min<int64_t>(first, planned->size()), undone);
  return Status::OK();
}

Planned Begin(const arrow::Schema& input) {
  Planned planned;
  for (int k = 0; k < input.num_fields(); ++k) planned.push_back({input.field(k), k, {}});
  return planned;
}

Result<std::shared_ptr<const TransformationPlan>> Finish(expr::Binder& binder,
                                                         const Planned& planned,
                                                         const arrow::Schema& input) {
  arrow::FieldVector fields;
  std::vector<int> sources;
  std::vector<expr::Value> results;
  std::unordered_set<std::string> names;
  for (const PlannedColumn& column : planned) {
    if (!names.insert(column.field->name()).second) {
      return Status::Invalid("after the transformations two columns are named '",
                             column.field->name(), "'; rename one of those they come from");
    }
    fields.push_back(column.field);
    if (column.value) {
      sources.push_back(-1 - static_cast<int>(results.size()));
      results.push_back(*column.value);
    } else {
      sources.push_back(column.input);
    }
  }
  expr::Program program = binder.Finish(results);
  return std::make_shared<const Plan>(arrow::schema(std::move(fields), input.metadata()),
                                      input.num_fields(), std::move(sources), std::move(program));
}

}  // namespace

Result<std::shared_ptr<const TransformationPlan>> TransformationPlan::Make(
    const std::vector<FittedTransformation>& fitted, const std::shared_ptr<arrow::Schema>& input) {
  Planned planned = Begin(*input);
  const std::string text = "transformations";
  expr::Binder binder(text);
  for (const FittedTransformation& transformation : fitted) {
    for (const std::string& column : transformation.columns) {
      ARROW_RETURN_NOT_OK(BindColumn(binder, transformation, column, &planned));
    }
  }
  return Finish(binder, planned, *input);
}

Result<std::shared_ptr<const TransformationPlan>> TransformationPlan::MakeInverse(
    const std::vector<FittedTransformation>& fitted,
    const std::shared_ptr<arrow::Schema>& output) {
  Planned planned = Begin(*output);
  const std::string text = "transformations";
  expr::Binder binder(text);
  for (auto transformation = fitted.rbegin(); transformation != fitted.rend(); ++transformation) {
    for (auto column = transformation->columns.rbegin();
         column != transformation->columns.rend(); ++column) {
      ARROW_RETURN_NOT_OK(UndoColumn(binder, *transformation, *column, &planned));
    }
  }
  return Finish(binder, planned, *output);
}

}  // namespace tercet
