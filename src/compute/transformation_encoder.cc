#include <algorithm>
#include <string>

#include "base/short_text.h"
#include "compute/category_codes.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// one_hot_encoder, label_encoder and ordinal_encoder: a category becomes its index, or a column.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

/// More columns than this are a mistake: an id was encoded.
constexpr size_t kMaxColumns = 10'000;

constexpr std::string_view kCategories = "categories";

Status CheckCategories(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  return CheckCategorical(kind);
}

Result<json::object> FitCategories(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, CountCategories(values));
  json::array categories;
  for (const auto& [category, count] : counts) categories.push_back(category);
  return json::object{{kCategories, std::move(categories)}};
}

Result<json::object> FitOneHot(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(json::object fitted, FitCategories(options, values));
  const size_t count = fitted[kCategories].get_array().size();
  if (count > kMaxColumns) {
    return Status::Invalid("has ", count,
                           " categories, and one-hot encoding makes a column of "
                           "each; at most ",
                           kMaxColumns,
                           " are allowed (label_encoder, hashing_encoder, frequency_encoder and "
                           "target_encoder have no limit)");
  }
  return fitted;
}

/// 1 where the code is `number`, else 0; never null.
void IsCode(const Instruction& instruction, Run& run) {
  const int64_t* code = expr::In<int64_t>(instruction, run);
  const expr::Register& in = run.registers[instruction.in[0]];
  double* out = expr::Out<double>(instruction, run);
  run.registers[instruction.out].has_nulls = false;
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = code[i] == instruction.number && (!in.has_nulls || in.valid[i] != 0) ? 1 : 0;
  }
}

Result<std::vector<std::string>> OneHotNames(const std::string& column, const json::object&,
                                             const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, CategoriesParameter(parameters, kCategories));
  std::vector<std::string> names;
  for (const json::value& category : categories) {
    names.push_back(column + "_" + (category.is_string()
                                        ? std::string(std::string_view(category.get_string()))
                                        : ToText(category)));
  }
  return names;
}

Result<std::vector<Value>> BindOneHot(Binder& binder, const Value& input, const json::object&,
                                      const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, CategoriesParameter(parameters, kCategories));
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  std::vector<Value> columns;
  for (size_t k = 0; k < categories.size(); ++k) {
    columns.push_back(
        binder.Emit(IsCode, expr::kDoubleType, {code}, static_cast<int64_t>(k)));
  }
  return columns;
}

/// The index of the column that is 1: `number` where it is, else what was found before.
void CodeWhereSet(const Instruction& instruction, Run& run) {
  const int64_t* before = expr::In<int64_t>(instruction, run, 0);
  const double* set = expr::In<double>(instruction, run, 1);
  const expr::Register& in = run.registers[instruction.in[1]];
  auto* out = expr::Out<int64_t>(instruction, run);
  run.registers[instruction.out].has_nulls = false;
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = set[i] == 1 && (!in.has_nulls || in.valid[i] != 0) ? instruction.number : before[i];
  }
}

/// Null where all are 0: a null and an unseen category look alike.
Result<Value> UndoOneHot(Binder& binder, std::span<const Value> outputs, const json::object&,
                         const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, CategoriesParameter(parameters, kCategories));
  Value code = binder.Constant(expr::kIntType, {.kind = Kind::kInt, .valid = true, .integer = -1});
  for (size_t k = 0; k < outputs.size(); ++k) {
    ARROW_ASSIGN_OR_RAISE(const Value set, expr::EmitNumber(binder, outputs[k]));
    code = binder.Emit(CodeWhereSet, expr::kIntType, {code, set}, static_cast<int64_t>(k));
  }
  return EmitCategories(binder, code, categories);
}

Result<std::vector<Value>> BindLabel(Binder& binder, const Value& input, const json::object&,
                                     const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, CategoriesParameter(parameters, kCategories));
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  return std::vector<Value>{code};
}

Result<Value> UndoLabel(Binder& binder, std::span<const Value> outputs, const json::object&,
                        const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, CategoriesParameter(parameters, kCategories));
  return EmitCategories(binder, outputs[0], categories);
}

/// The order is given instead of fitted.
Status CheckOrdinal(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {std::string(kCategories)}));
  ARROW_RETURN_NOT_OK(CheckCategorical(kind));
  ARROW_ASSIGN_OR_RAISE(const json::array categories, FindArray(options, kCategories));
  if (categories.empty()) {
    return Status::Invalid("needs its 'categories' in order; label_encoder finds them itself");
  }
  for (size_t k = 0; k < categories.size(); ++k) {
    if (std::find(categories.begin(), categories.begin() + k, categories[k]) !=
        categories.begin() + k) {
      return Status::Invalid("names the category ", ShortText(ToText(categories[k])), " twice");
    }
    const Kind of = categories[k].is_string()  ? Kind::kString
                    : categories[k].is_int64() ? Kind::kInt
                    : categories[k].is_bool()  ? Kind::kBool
                                               : Kind::kOpaque;
    if (of != kind && kind != Kind::kNull) {
      return Status::TypeError("takes categories that are ", expr::KindName(kind), ", not ",
                               ShortText(ToText(categories[k])));
    }
  }
  return Status::OK();
}

Result<std::vector<Value>> BindOrdinal(Binder& binder, const Value& input,
                                       const json::object& options, const json::object&) {
  return BindLabel(binder, input, {}, options);
}

Result<Value> UndoOrdinal(Binder& binder, std::span<const Value> outputs,
                          const json::object& options, const json::object&) {
  return UndoLabel(binder, outputs, {}, options);
}

Kind IntAnswer(const json::object&, Kind, size_t) { return Kind::kInt; }

constexpr TransformationKind kKinds[] = {
    {.name = "one_hot_encoder",
     .check = CheckCategories,
     .fit = FitOneHot,
     .bind = BindOneHot,
     .inverse = UndoOneHot,
     .outputs = OneHotNames,
     .outputs_are_fitted = true},
    {.name = "label_encoder",
     .check = CheckCategories,
     .fit = FitCategories,
     .bind = BindLabel,
     .inverse = UndoLabel,
     .answer = IntAnswer},
    {.name = "ordinal_encoder",
     .check = CheckOrdinal,
     .bind = BindOrdinal,
     .inverse = UndoOrdinal,
     .answer = IntAnswer},
};

}  // namespace

std::span<const TransformationKind> EncoderKinds() { return kKinds; }

}  // namespace tercet
