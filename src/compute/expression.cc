#include "compute/expression.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/add_once.h"
#include "base/name.h"
#include "compute/expression_binder.h"
#include "compute/expression_nested.h"
#include "compute/expression_tree.h"

namespace tercet {
namespace {

using expr::Binder;
using expr::Function;
using expr::Node;
using expr::Value;

const std::unordered_map<std::string_view, const Function*>& Functions() {
  static const auto functions = [] {
    std::unordered_map<std::string_view, const Function*> all;
    for (const auto& some : {expr::ArithmeticFunctions(), expr::MathFunctions(),
                             expr::ComparisonFunctions(), expr::LogicFunctions(),
                             expr::TimeFunctions(), expr::ZoneFunctions(), expr::TextFunctions(),
                             expr::PatternFunctions(), expr::PlaceFunctions(),
                             expr::ListFunctions(), expr::MapFunctions(), expr::CastFunctions()}) {
      for (const Function& function : some) all.emplace(function.name, &function);
    }
    return all;
  }();
  return functions;
}

Status UnknownFunction(const expr::Tree& tree, const Node& node) {
  std::vector<std::string> names;
  for (const auto& [name, function] : Functions()) {
    if (name[0] >= 'a' && name[0] <= 'z' && name.find(' ') == std::string_view::npos) {
      names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return Status::KeyError(
      expr::Located(tree.text, node.position,
                    "there is no function '" + node.name + "'" + Suggest(node.name, names)));
}

Result<Value> BindColumn(Binder& binder, const expr::Tree& tree, const Node& node,
                         const arrow::Schema& schema) {
  const std::vector<int> indexes = schema.GetAllFieldIndices(node.name);
  if (indexes.empty()) {
    std::string hint = Suggest(node.name, schema.field_names());
    if (node.quoted) hint += "; a text goes in single quotes";
    return Status::KeyError(
        expr::Located(tree.text, node.position, "there is no column '" + node.name + "'" + hint));
  }
  if (indexes.size() > 1) {
    return Status::Invalid(expr::Located(
        tree.text, node.position,
        "the column '" + node.name + "' is there " + std::to_string(indexes.size()) + " times"));
  }
  ARROW_ASSIGN_OR_RAISE(Value value,
                        binder.Column(indexes[0], schema.field(indexes[0])->type()));
  for (const std::string& member : node.members) {
    if (!value.is(expr::Kind::kStruct)) {
      return binder.Error("there is no column '" + node.name + "." + member + "', and '" +
                          node.name + "' is " + std::string(KindName(value.type.kind)) +
                          ", which has no members");
    }
    ARROW_ASSIGN_OR_RAISE(value, BindMember(binder, value, member));
  }
  return value;
}

Result<Value> BindCall(Binder& binder, const expr::Tree& tree, const Node& node,
                       std::vector<Value> arguments) {
  const auto found = Functions().find(node.name);
  if (found == Functions().end()) return UnknownFunction(tree, node);
  const Function& function = *found->second;
  const int count = static_cast<int>(arguments.size());
  if (count < function.min_arguments ||
      (function.max_arguments >= 0 && count > function.max_arguments)) {
    std::string wanted = std::to_string(function.min_arguments);
    if (function.max_arguments < 0) {
      wanted = "at least " + wanted;
    } else if (function.max_arguments > function.min_arguments) {
      wanted += " to " + std::to_string(function.max_arguments);
    }
    return Status::Invalid(expr::Located(
        tree.text, node.position,
        "'" + node.name + "' takes " + wanted + " arguments, not " + std::to_string(count)));
  }
  return function.bind(binder, node, arguments);
}

class Compiled : public CompiledExpression {
 public:
  explicit Compiled(expr::Program program) : program_(std::move(program)) {}

  const std::shared_ptr<arrow::DataType>& type() const override { return program_.results[0].type; }

  Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const override {
    ARROW_ASSIGN_OR_RAISE(const arrow::ArrayDataVector arrays, program_.Evaluate(batch));
    return arrow::MakeArray(arrays[0]);
  }

  bool takes_cells() const override { return program_.takes_cells() && IsCellType(*type()); }

  Status EvaluateRow(std::span<const Cell> row, Arena* memory, Cell* answer) const override {
    return program_.EvaluateRow(row, memory, {answer, 1});
  }

 private:
  const expr::Program program_;
};

}  // namespace

Expression::Expression(std::shared_ptr<const expr::Tree> tree) : tree_(std::move(tree)) {}
Expression::~Expression() = default;
Expression::Expression(const Expression&) = default;
Expression& Expression::operator=(const Expression&) = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

Result<Expression> Expression::Parse(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(auto tree, expr::ParseTree(text));
  return Expression(std::move(tree));
}

const std::vector<std::string>& Expression::columns() const { return tree_->columns; }

bool Expression::IsFunction(std::string_view name) { return Functions().contains(name); }

Expression Expression::WithMembers(
    const std::function<bool(const std::string&)>& is_column) const {
  auto tree = std::make_shared<expr::Tree>(*tree_);
  tree->columns.clear();
  for (Node& node : tree->nodes) {
    if (node.form != Node::Form::kColumn) continue;
    if (node.members.empty() && !is_column(node.name)) {
      size_t dot = node.name.rfind('.');
      while (dot != std::string::npos && dot > 0 && !is_column(node.name.substr(0, dot))) {
        dot = node.name.rfind('.', dot - 1);
      }
      if (dot != std::string::npos && dot > 0) {
        node.members = expr::PartsOf(std::string_view(node.name).substr(dot + 1));
        node.name.resize(dot);
      }
    }
    AddOnce(&tree->columns, node.name);
  }
  return Expression(std::move(tree));
}

bool Expression::Calls(std::string_view function) const {
  return std::any_of(tree_->nodes.begin(), tree_->nodes.end(), [&](const Node& node) {
    return node.form == Node::Form::kCall && node.name == function;
  });
}

std::optional<Expression::ColumnCall> Expression::column_call() const {
  const Node& result = tree_->nodes.back();
  if (result.form != Node::Form::kCall) return std::nullopt;
  ColumnCall call{.function = result.name, .columns = {}};
  for (const int32_t argument : result.arguments) {
    const Node& node = tree_->nodes[static_cast<size_t>(argument)];
    if (node.form != Node::Form::kColumn || !node.members.empty()) return std::nullopt;
    call.columns.push_back(node.name);
  }
  return call;
}

Result<std::shared_ptr<const CompiledExpression>> CompiledExpression::Compile(
    const Expression& expression, const arrow::Schema& schema) {
  const expr::Tree& tree = *expression.tree_;
  Binder binder(tree.text);
  std::vector<Value> values;
  values.reserve(tree.nodes.size());
  for (const Node& node : tree.nodes) {
    binder.Enter(node);
    Value value;
    switch (node.form) {
      case Node::Form::kLiteral:
        value = binder.Constant({node.literal.kind, ""}, node.literal);
        break;
      case Node::Form::kColumn: {
        ARROW_ASSIGN_OR_RAISE(value, BindColumn(binder, tree, node, schema));
        break;
      }
      case Node::Form::kCall: {
        std::vector<Value> arguments;
        for (int32_t argument : node.arguments) {
          arguments.push_back(values[static_cast<size_t>(argument)]);
        }
        ARROW_ASSIGN_OR_RAISE(value, BindCall(binder, tree, node, std::move(arguments)));
        break;
      }
    }
    values.push_back(std::move(value));
  }
  if (expr::IsNested(values.back().type.kind)) {
    return binder.Error("the result is " + std::string(KindName(values.back().type.kind)) +
                        ", and an expression gives one value a row; name the column itself as a "
                        "feature, or compute one of it");
  }
  if (values.back().is(expr::Kind::kOpaque)) {
    return binder.Error("the result has a type that expressions can only test with 'is null'");
  }
  return std::make_shared<const Compiled>(binder.Finish({&values.back(), 1}));
}

}  // namespace tercet
