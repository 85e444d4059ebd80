#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include <arrow/util/utf8.h>

#include "compute/expression_kernel.h"
#include "compute/transformation_kind.h"

/// one_hot_encoder and label_encoder: categories in sorted order.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

/// More columns than this are a mistake: an id was encoded.
constexpr size_t kMaxCategories = 10'000;

Status CheckCategories(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  if (kind == Kind::kString || kind == Kind::kInt || kind == Kind::kBool || kind == Kind::kNull) {
    return Status::OK();
  }
  return Status::TypeError("takes strings, integers or bools, not ", expr::KindName(kind),
                           kind == Kind::kDouble ? "; round it to integers first" : "");
}

template <typename T>
json::array Sorted(const ColumnValues& values) {
  std::set<T> found;
  using Seen = std::conditional_t<std::is_same_v<T, std::string>, std::string_view, T>;
  // Runs of equal values are common in sorted data.
  std::optional<T> last;
  values.ForEach<Seen>([&](Seen value) {
    if (last && *last == value) return;
    last.emplace(value);
    found.insert(*last);
  });
  json::array categories;
  for (const T& value : found) categories.emplace_back(value);
  return categories;
}

Result<json::object> FitCategories(const json::object&, const ColumnValues& values) {
  json::array categories;
  switch (values.kind()) {
    case Kind::kString:
      categories = Sorted<std::string>(values);
      break;
    case Kind::kInt:
      categories = Sorted<int64_t>(values);
      break;
    case Kind::kBool:
      categories = Sorted<bool>(values);
      break;
    default:
      break;
  }
  if (categories.empty()) {
    return Status::Invalid("has no value to fit on among its ", values.rows(), " training rows");
  }
  arrow::util::InitializeUTF8();
  for (const json::value& category : categories) {
    if (category.is_string() &&
        !arrow::util::ValidateUTF8(std::string_view(category.get_string()))) {
      return Status::Invalid("has a category that is not UTF-8");
    }
  }
  return json::object{{"categories", std::move(categories)}};
}

Result<json::object> FitOneHot(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(json::object fitted, FitCategories(options, values));
  const size_t count = fitted["categories"].get_array().size();
  if (count > kMaxCategories) {
    return Status::Invalid("has ", count,
                           " categories, and one-hot encoding makes a column of "
                           "each; at most ",
                           kMaxCategories, " are allowed (label_encoder has no limit)");
  }
  return fitted;
}

/// Category → its index.
template <typename T>
using Codes = std::unordered_map<T, int64_t>;

struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};
using TextCodes = std::unordered_map<std::string, int64_t, TextHash, std::equal_to<>>;

/// −1 for what was not seen in fitting; null for null.
template <typename T, typename Table>
void Lookup(const Instruction& instruction, Run& run) {
  const auto& codes = instruction.Payload<Table>();
  const T* a = expr::In<T>(instruction, run);
  auto* out = expr::Out<int64_t>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  const expr::Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = -1;
    if (result.has_nulls && result.valid[i] == 0) continue;
    const auto found = codes.find(a[i]);
    if (found != codes.end()) out[i] = found->second;
  }
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

Result<json::array> Categories(const json::object& parameters) {
  const json::value* categories = parameters.if_contains("categories");
  if (categories == nullptr || !categories->is_array()) {
    return Status::Invalid("has no fitted 'categories'");
  }
  return categories->get_array();
}

/// Codes of categories that are all of the JSON type that `find` finds.
template <typename Table, typename Find>
Result<const Table*> OwnCodes(Binder& binder, const json::array& categories, Find&& find) {
  Table codes;
  for (const json::value& category : categories) {
    const auto* value = find(category);
    if (value == nullptr) {
      return Status::TypeError("was fitted on other values: the category ", ToText(category),
                               " is not of the column's type");
    }
    codes.emplace(*value, static_cast<int64_t>(codes.size()));
  }
  return binder.Own(std::move(codes));
}

Result<Value> EmitCodes(Binder& binder, const Value& input, const json::array& categories) {
  switch (input.type.kind) {
    case Kind::kString: {
      ARROW_ASSIGN_OR_RAISE(const auto* codes,
                            OwnCodes<TextCodes>(binder, categories, [](const json::value& v) {
                              return v.if_string();
                            }));
      return binder.Emit(Lookup<std::string_view, TextCodes>, expr::kIntType, {input}, 0, codes);
    }
    case Kind::kInt: {
      ARROW_ASSIGN_OR_RAISE(const auto* codes,
                            OwnCodes<Codes<int64_t>>(binder, categories, [](const json::value& v) {
                              return v.if_int64();
                            }));
      return binder.Emit(Lookup<int64_t, Codes<int64_t>>, expr::kIntType, {input}, 0, codes);
    }
    case Kind::kBool: {
      ARROW_ASSIGN_OR_RAISE(const auto* codes,
                            OwnCodes<Codes<bool>>(binder, categories, [](const json::value& v) {
                              return v.if_bool();
                            }));
      return binder.Emit(Lookup<expr::Bool, Codes<bool>>, expr::kIntType, {input}, 0, codes);
    }
    case Kind::kNull:
      return binder.Null(expr::kIntType);
    default:
      return Status::TypeError("takes strings, integers or bools, not ",
                               expr::KindName(input.type.kind));
  }
}

std::string CategoryName(const json::value& category) {
  return category.is_string() ? std::string(std::string_view(category.get_string()))
                              : ToText(category);
}

Result<BoundColumns> BindOneHot(Binder& binder, const Value& input, const std::string& column,
                                const json::object&, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, Categories(parameters));
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  BoundColumns columns;
  for (size_t k = 0; k < categories.size(); ++k) {
    columns.emplace_back(column + "_" + CategoryName(categories[k]),
                         binder.Emit(IsCode, expr::kDoubleType, {code}, static_cast<int64_t>(k)));
  }
  return columns;
}

Result<BoundColumns> BindLabel(Binder& binder, const Value& input, const std::string& column,
                               const json::object&, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories, Categories(parameters));
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  return BoundColumns{{column, code}};
}

constexpr TransformationKind kKinds[] = {
    {"one_hot_encoder", CheckCategories, false, FitOneHot, BindOneHot},
    {"label_encoder", CheckCategories, false, FitCategories, BindLabel},
};

}  // namespace

std::span<const TransformationKind> EncoderKinds() { return kKinds; }

}  // namespace tercet
