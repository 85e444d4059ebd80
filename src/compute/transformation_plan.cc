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

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const int input_columns_;
  const std::vector<int> sources_;
  const expr::Program program_;
};

/// Binds one column of one transformation; `planned` is replaced by what it makes of it.
Status BindColumn(expr::Binder& binder, const FittedTransformation& fitted,
                  const std::string& column, std::vector<PlannedColumn>* planned) {
  ARROW_ASSIGN_OR_RAISE(const TransformationKind* kind, FindTransformationKind(fitted.kind));
  size_t at = 0;
  std::vector<std::string> names;
  while (at < planned->size() && (*planned)[at].field->name() != column) {
    names.push_back((*planned)[at++].field->name());
  }
  if (at == planned->size()) {
    return Status::KeyError(fitted.kind, " has no column '", column, "' to transform",
                            Suggest(column, names));
  }
  const json::value* parameters = fitted.parameters.if_contains(column);
  if (parameters == nullptr || !parameters->is_object()) {
    return Status::Invalid(fitted.kind, " has no fitted parameters of column '", column, "'");
  }
  PlannedColumn& input = (*planned)[at];
  expr::Node node;
  node.form = expr::Node::Form::kColumn;
  node.name = column;
  binder.Enter(node);
  if (!input.value) {
    ARROW_ASSIGN_OR_RAISE(input.value, binder.Column(input.input, input.field->type()));
  }
  const auto bind = [&]() -> Result<BoundColumns> {
    ARROW_RETURN_NOT_OK(kind->check(fitted.options, input.value->type.kind));
    return kind->bind(binder, *input.value, column, fitted.options, parameters->get_object());
  };
  auto bound = bind();
  if (!bound.ok()) {
    return bound.status().WithMessage("column '", column, "' of ", fitted.kind, " ",
                                      bound.status().message());
  }
  std::vector<PlannedColumn> made;
  for (const auto& [name, value] : *bound) {
    made.push_back({arrow::field(name, expr::ArrowTypeOf(value.type)), -1, value});
  }
  planned->erase(planned->begin() + static_cast<int64_t>(at));
  planned->insert(planned->begin() + static_cast<int64_t>(at), made.begin(), made.end());
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<const TransformationPlan>> TransformationPlan::Make(
    const std::vector<FittedTransformation>& fitted, const std::shared_ptr<arrow::Schema>& input) {
  std::vector<PlannedColumn> planned;
  for (int k = 0; k < input->num_fields(); ++k) {
    planned.push_back({input->field(k), k, std::nullopt});
  }
  const std::string text = "transformations";
  expr::Binder binder(text);
  for (const FittedTransformation& transformation : fitted) {
    for (const std::string& column : transformation.columns) {
      ARROW_RETURN_NOT_OK(BindColumn(binder, transformation, column, &planned));
    }
  }

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
  return std::make_shared<const Plan>(arrow::schema(std::move(fields), input->metadata()),
                                      input->num_fields(), std::move(sources), std::move(program));
}

}  // namespace tercet
