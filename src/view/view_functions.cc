#include "view/view_functions.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/compute/cast.h>

namespace tercet {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::STRING_VIEW;
}

/// Whether a column's values can be a parameter's without a loss that anybody would miss: as
/// expressions widen them.
bool CanBe(const arrow::DataType& column, const arrow::DataType& parameter) {
  if (column.Equals(parameter)) return true;
  if (column.id() == arrow::Type::DICTIONARY) {
    return CanBe(*static_cast<const arrow::DictionaryType&>(column).value_type(), parameter);
  }
  if (IsText(parameter)) return IsText(column);
  if (parameter.id() == arrow::Type::DOUBLE) {
    return arrow::is_integer(column.id()) || arrow::is_floating(column.id()) ||
           arrow::is_decimal(column.id());
  }
  if (arrow::is_integer(parameter.id()) && arrow::is_integer(column.id())) {
    const bool from_signed = arrow::is_signed_integer(column.id());
    const bool to_signed = arrow::is_signed_integer(parameter.id());
    if (from_signed == to_signed) return column.byte_width() <= parameter.byte_width();
    return to_signed && column.byte_width() < parameter.byte_width();
  }
  return column.id() == arrow::Type::TIMESTAMP && parameter.id() == arrow::Type::TIMESTAMP;
}

/// A call of a Python function as an expression.
class PythonCall : public CompiledExpression {
 public:
  PythonCall(std::shared_ptr<PythonCallable> callable, std::shared_ptr<arrow::Schema> inputs,
             std::shared_ptr<arrow::DataType> output)
      : callable_(std::move(callable)), inputs_(std::move(inputs)), output_(std::move(output)) {}

  const std::shared_ptr<arrow::DataType>& type() const override { return output_; }

  Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const override {
    // Integers beyond 2⁵³ are rounded and nanoseconds cut down, as expressions do.
    arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe();
    options.allow_float_truncate = true;
    options.allow_time_truncate = true;
    arrow::ArrayVector columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      options.to_type = inputs_->field(i)->type();
      columns.push_back(batch.column(i));
      if (columns.back()->type()->Equals(*options.to_type.type)) continue;
      ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast,
                            arrow::compute::Cast(columns.back(), options));
      columns.back() = cast.make_array();
    }
    return callable_->Call(
        *arrow::RecordBatch::Make(inputs_, batch.num_rows(), std::move(columns)));
  }

  bool takes_cells() const override { return false; }
  Status EvaluateRow(std::span<const Cell>, Arena*, Cell*) const override {
    return Status::NotImplemented("a Python function takes no cells");
  }

 private:
  const std::shared_ptr<PythonCallable> callable_;
  const std::shared_ptr<arrow::Schema> inputs_;
  const std::shared_ptr<arrow::DataType> output_;
};

}  // namespace

Result<ViewFunctions> ViewFunctions::Make(const std::vector<PythonFunction>& functions,
                                          PythonFunctions* python) {
  ViewFunctions made;
  for (const PythonFunction& function : functions) {
    const std::string lower = LowerCase(function.name);
    if (Expression::IsFunction(lower)) {
      return Status::Invalid("Python function '", function.name,
                             "' has the name of a function that expressions have");
    }
    for (const PythonFunction& other : made.functions_) {
      if (LowerCase(other.name) != lower) continue;
      return Status::Invalid("there are two Python functions '", other.name, "' and '",
                             function.name, "'; the case of names does not count");
    }
    if (python == nullptr) {
      return Status::NotImplemented("Python function '", function.name,
                                    "' can't be run here: there are no workers for it");
    }
    ARROW_ASSIGN_OR_RAISE(auto callable, python->Get(function));
    made.functions_.push_back(function);
    made.callables_.push_back(std::move(callable));
  }
  return made;
}

Result<ViewFunctions::Called> ViewFunctions::Find(const Expression& expression) const {
  const auto call = expression.column_call();
  for (const PythonFunction& function : functions_) {
    const std::string lower = LowerCase(function.name);
    if (call && call->function == lower) return Called{&function, call->columns};
    if (!expression.Calls(lower)) continue;
    return Status::Invalid("the Python function '", function.name, "' takes columns and stands ",
                           "alone; give its arguments and its answer on-demand features of their ",
                           "own, and name those");
  }
  return Called{nullptr, {}};
}

Result<std::shared_ptr<const CompiledExpression>> ViewFunctions::Compile(
    const PythonFunction& function, const arrow::Schema& columns) const {
  ARROW_ASSIGN_OR_RAISE(auto inputs, function.InputSchema());
  ARROW_ASSIGN_OR_RAISE(auto output, function.OutputType());
  if (columns.num_fields() != inputs->num_fields()) {
    return Status::Invalid("the Python function '", function.name, "' takes ",
                           inputs->num_fields(), " columns, not ", columns.num_fields());
  }
  for (int i = 0; i < columns.num_fields(); ++i) {
    const arrow::Field& column = *columns.field(i);
    const arrow::Field& parameter = *inputs->field(i);
    if (CanBe(*column.type(), *parameter.type())) continue;
    return Status::TypeError("parameter '", parameter.name(), "' of the Python function '",
                             function.name, "' is ", parameter.type()->ToString(),
                             ", and column '", column.name(), "' is ", column.type()->ToString());
  }
  const auto at = static_cast<size_t>(
      std::find(functions_.begin(), functions_.end(), function) - functions_.begin());
  return std::make_shared<const PythonCall>(callables_.at(at), std::move(inputs),
                                            std::move(output));
}

Status ViewFunctions::Reserve(const WorkerLimits& limits) const {
  for (const auto& callable : callables_) ARROW_RETURN_NOT_OK(callable->Reserve(limits));
  return Status::OK();
}

Status ViewFunctions::Prepare() const {
  for (const auto& callable : callables_) ARROW_RETURN_NOT_OK(callable->Prepare());
  return Status::OK();
}

}  // namespace tercet
