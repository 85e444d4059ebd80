#include <algorithm>
#include <limits>

#include "base/short_text.h"
#include "compute/category_codes.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// frequency_encoder and top_k: what a category is by how often it comes.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Literal;
using expr::Run;
using expr::Value;

Status CheckFrequency(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"normalize"}));
  ARROW_RETURN_NOT_OK(FindBool(options, "normalize").status());
  return CheckCategorical(kind);
}

Result<json::object> FitFrequency(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const auto normalize, FindBool(options, "normalize"));
  ARROW_ASSIGN_OR_RAISE(const auto counts, CountCategories(values));
  const double all =
      normalize.value_or(true) ? static_cast<double>(values.rows() - values.nulls()) : 1;
  json::array categories, frequencies;
  for (const auto& [category, count] : counts) {
    categories.push_back(category);
    frequencies.emplace_back(static_cast<double>(count) / all);
  }
  return json::object{{"categories", std::move(categories)},
                      {"frequencies", std::move(frequencies)}};
}

/// 0 for what was not seen.
Result<std::vector<Value>> BindFrequency(Binder& binder, const Value& input, const json::object&,
                                         const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories,
                        CategoriesParameter(parameters, "categories"));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> frequencies,
                        NumbersParameter(parameters, "frequencies"));
  if (frequencies.size() != categories.size()) {
    return Status::Invalid("has not as many fitted 'frequencies' as 'categories'");
  }
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  return std::vector<Value>{EmitTable(binder, code, std::move(frequencies), 0)};
}

constexpr int64_t kMaxKept = 1'000'000;

/// What stands for all others: "other", or for integers −1, unless given.
Result<json::value> OtherOf(const json::object& options, Kind kind) {
  const json::value* given = options.if_contains("other");
  if (given == nullptr || given->is_null()) {
    return kind == Kind::kInt ? json::value(-1) : json::value("other");
  }
  if (given->is_string() ? kind == Kind::kString || kind == Kind::kNull
                         : given->is_int64() && (kind == Kind::kInt || kind == Kind::kNull)) {
    return *given;
  }
  return Status::TypeError("can't put 'other' = ", ShortText(ToText(*given)),
                           " into a column of ", expr::KindName(kind));
}

Status CheckTop(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"k", "other"}));
  ARROW_RETURN_NOT_OK(CountOption(options, "k", 10, 1, kMaxKept).status());
  if (kind == Kind::kBool) {
    return Status::TypeError("takes strings or integers, not bool, which has two values only");
  }
  ARROW_RETURN_NOT_OK(CheckCategorical(kind));
  return OtherOf(options, kind).status();
}

/// The k categories that come most often; of equals the least.
Result<json::object> FitTop(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const int64_t k, CountOption(options, "k", 10, 1, kMaxKept));
  ARROW_ASSIGN_OR_RAISE(auto counts, CountCategories(values));
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  json::array categories;
  for (const auto& [category, count] : counts) {
    if (static_cast<int64_t>(categories.size()) == k) break;
    categories.push_back(category);
  }
  return json::object{{"categories", std::move(categories)}};
}

/// The value where its code is not −1, else the other. in: code, value, other.
template <typename T>
void KeepKnown(const Instruction& instruction, Run& run) {
  const int64_t* code = expr::In<int64_t>(instruction, run, 0);
  const T* value = expr::In<T>(instruction, run, 1);
  const T* other = expr::In<T>(instruction, run, 2);
  T* out = expr::Out<T>(instruction, run);
  expr::AndValidity(instruction, run, 2);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = code[i] < 0 ? other[i] : value[i];
}

Result<std::vector<Value>> BindTop(Binder& binder, const Value& input, const json::object& options,
                                   const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories,
                        CategoriesParameter(parameters, "categories"));
  if (input.is(Kind::kNull)) return std::vector<Value>{input};
  ARROW_ASSIGN_OR_RAISE(const json::value other, OtherOf(options, input.type.kind));
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  Literal literal{.kind = input.type.kind, .valid = true};
  if (other.is_string()) {
    literal.text = std::string_view(other.get_string());
    const Value instead = binder.Constant(expr::kStringType, literal);
    return std::vector<Value>{
        binder.Emit(KeepKnown<std::string_view>, expr::kStringType, {code, input, instead})};
  }
  literal.integer = other.get_int64();
  const Value instead = binder.Constant(expr::kIntType, literal);
  return std::vector<Value>{
      binder.Emit(KeepKnown<int64_t>, expr::kIntType, {code, input, instead})};
}

Kind SameAnswer(const json::object&, Kind input, size_t) { return input; }

constexpr TransformationKind kKinds[] = {
    {.name = "frequency_encoder",
     .check = CheckFrequency,
     .fit = FitFrequency,
     .bind = BindFrequency},
    {.name = "top_k", .check = CheckTop, .fit = FitTop, .bind = BindTop, .answer = SameAnswer},
};

}  // namespace

std::span<const TransformationKind> FrequencyKinds() { return kKinds; }

}  // namespace tercet
