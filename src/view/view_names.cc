#include "view/view_names.h"

#include "base/name.h"

namespace tercet {

void ViewNames::AddRow(const std::string& name, const std::shared_ptr<arrow::DataType>& type) {
  meanings_.try_emplace(name, Meaning{type, {.row_column = name, .computed = -1}, false});
}

void ViewNames::AddComputed(const std::string& name, const std::shared_ptr<arrow::DataType>& type) {
  meanings_.try_emplace(name, Meaning{type, {.row_column = "", .computed = computed_}, false});
  ++computed_;
}

void ViewNames::AddQualified(const std::string& group, const std::string& feature,
                             const std::string& column,
                             const std::shared_ptr<arrow::DataType>& type) {
  const auto [entry, added] = meanings_.try_emplace(
      group + "." + feature, Meaning{type, {.row_column = column, .computed = -1}, false});
  if (!added) entry->second.ambiguous = true;
}

Result<ViewNames::Meaning> ViewNames::Resolve(const std::string& name) {
  const auto found = meanings_.find(name);
  if (found != meanings_.end()) {
    if (found->second.ambiguous) {
      return Status::Invalid("'", name, "' is ambiguous: feature view '", view_,
                             "' joins that group more than once; use the prefixed column name");
    }
    return found->second;
  }
  std::string column = name;
  if (column.starts_with(root_.name + ".")) column = column.substr(root_.name.size() + 1);
  const auto field = root_.schema->GetFieldByName(column);
  if (field != nullptr) {
    if (column == root_.event_time) return Resolve(kEventTime);
    left_columns_.push_back({name, column, field->type()});
    AddRow(name, field->type());
    return meanings_.at(name);
  }
  std::vector<std::string> known;
  for (const auto& meaning : meanings_) known.push_back(meaning.first);
  for (const auto& root_field : root_.schema->fields()) known.push_back(root_field->name());
  return Status::KeyError("feature view '", view_, "' has no column '", name, "'",
                          Suggest(name, known));
}

Result<ViewExpression> ViewExpression::Make(const std::string& what, const std::string& text,
                                            const ViewFunctions& functions, ViewNames* names) {
  ViewExpression made;
  made.what_ = what;
  auto parsed = Expression::Parse(text);
  if (!parsed.ok()) return Explain(parsed.status(), what);
  auto called = functions.Find(*parsed);
  if (!called.ok()) return Explain(called.status(), what);
  made.is_python_ = called->function != nullptr;
  *parsed = parsed->WithMembers(
      [&](const std::string& name) { return !names->Resolve(name).status().IsKeyError(); });
  arrow::FieldVector fields;
  // A function's parameters may be one column twice.
  for (const std::string& name : called->function ? called->columns : parsed->columns()) {
    const auto meaning = names->Resolve(name);
    if (!meaning.ok()) return Explain(meaning.status(), what);
    fields.push_back(arrow::field(name, meaning->type));
    made.inputs_.push_back(meaning->input);
  }
  made.schema_ = arrow::schema(std::move(fields));
  auto compiled = called->function ? functions.Compile(*called->function, *made.schema_)
                                   : CompiledExpression::Compile(*parsed, *made.schema_);
  if (!compiled.ok()) return Explain(compiled.status(), what);
  made.compiled_ = std::move(compiled).ValueUnsafe();
  return made;
}

Result<std::shared_ptr<arrow::Array>> ViewExpression::Evaluate(
    const arrow::RecordBatch& rows,
    const std::vector<std::shared_ptr<arrow::Array>>& computed) const {
  arrow::ArrayVector columns;
  columns.reserve(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const ExpressionInput& input = inputs_[i];
    columns.push_back(input.row_column.empty() ? computed[static_cast<size_t>(input.computed)]
                                               : rows.GetColumnByName(input.row_column));
    if (columns.back() == nullptr) {
      return Status::Invalid(what_, ": the rows have no column '", input.row_column, "'");
    }
    if (!columns.back()->type()->Equals(*schema_->field(static_cast<int>(i))->type())) {
      return Status::TypeError(what_, ": column '", input.row_column, "' is ",
                               columns.back()->type()->ToString(), ", not ",
                               schema_->field(static_cast<int>(i))->type()->ToString());
    }
  }
  const auto batch = arrow::RecordBatch::Make(schema_, rows.num_rows(), std::move(columns));
  auto answer = compiled_->Evaluate(*batch);
  if (!answer.ok()) return Explain(answer.status(), what_);
  return answer;
}

}  // namespace tercet
