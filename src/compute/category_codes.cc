#include "compute/category_codes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <arrow/util/utf8.h>

#include "base/short_text.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

namespace tercet {

using expr::Binder;
using expr::Kind;
using expr::Value;

namespace {

struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

/// Category → number. Texts are found without a copy.
template <typename T>
using Table = std::conditional_t<
    std::is_same_v<T, std::string>,
    std::unordered_map<std::string, int64_t, TextHash, std::equal_to<>>,
    std::unordered_map<T, int64_t>>;

/// What a column's values of the type are seen as.
template <typename T>
using Seen = std::conditional_t<std::is_same_v<T, std::string>, std::string_view, T>;

/// Calls `call.template operator()<T>()` with the type of the kind's categories.
template <typename Call>
auto WithCategory(Kind kind, Call&& call) {
  switch (kind) {
    case Kind::kString:
      return call.template operator()<std::string>();
    case Kind::kBool:
      return call.template operator()<bool>();
    default:
      return call.template operator()<int64_t>();
  }
}

template <typename T>
const T* Find(const json::value& category) {
  if constexpr (std::is_same_v<T, std::string>) {
    return nullptr;
  } else if constexpr (std::is_same_v<T, bool>) {
    return category.if_bool();
  } else {
    return category.if_int64();
  }
}

template <typename T>
Result<Table<T>> TableOf(const json::array& categories) {
  Table<T> table;
  for (const json::value& category : categories) {
    const auto code = static_cast<int64_t>(table.size());
    if constexpr (std::is_same_v<T, std::string>) {
      if (const json::string* text = category.if_string()) {
        table.emplace(std::string(*text), code);
        continue;
      }
    } else if (const T* value = Find<T>(category)) {
      table.emplace(*value, code);
      continue;
    }
    return Status::TypeError("was fitted on other values: the category ",
                             ShortText(ToText(category)), " is not of the column's type");
  }
  if (table.size() != categories.size()) return Status::Invalid("has a category twice");
  return table;
}

template <typename T>
std::vector<std::pair<json::value, int64_t>> Count(const ColumnValues& values) {
  Table<T> counts;
  // Runs of equal values are common in sorted data.
  std::optional<Seen<T>> last;
  int64_t* run = nullptr;
  values.ForEach<Seen<T>>([&](Seen<T> value) {
    if (!last || *last != value) {
      auto found = counts.find(value);
      if (found == counts.end()) found = counts.emplace(T(value), 0).first;
      run = &found->second;
      last = found->first;
    }
    ++*run;
  });
  std::vector<std::pair<T, int64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::pair<json::value, int64_t>> categories;
  categories.reserve(sorted.size());
  for (const auto& [value, count] : sorted) categories.emplace_back(json::value(value), count);
  return categories;
}

template <typename T>
int64_t Lookup(const Table<T>& codes, std::conditional_t<std::is_same_v<T, bool>, expr::Bool,
                                                         Seen<T>> value) {
  const auto found = codes.find(value);
  return found == codes.end() ? -1 : found->second;
}

template <typename T>
using Layout = std::conditional_t<std::is_same_v<T, bool>, expr::Bool, Seen<T>>;

template <typename T>
bool CategoryAt(const std::vector<T>& categories, int64_t code, Layout<T>* out) {
  if (code < 0 || code >= static_cast<int64_t>(categories.size())) return false;
  *out = categories[static_cast<size_t>(code)];
  return true;
}

struct Numbers {
  std::vector<double> table;
  double otherwise;
};

double NumberAt(const Numbers& numbers, int64_t code) {
  return code < 0 || code >= static_cast<int64_t>(numbers.table.size())
             ? numbers.otherwise
             : numbers.table[static_cast<size_t>(code)];
}

}  // namespace

Status CheckCategorical(Kind kind) {
  if (kind == Kind::kString || kind == Kind::kInt || kind == Kind::kBool || kind == Kind::kNull) {
    return Status::OK();
  }
  return Status::TypeError("takes strings, integers or bools, not ", expr::KindName(kind),
                           kind == Kind::kDouble ? "; round it to integers first" : "");
}

Result<std::vector<std::pair<json::value, int64_t>>> CountCategories(const ColumnValues& values) {
  if (values.kind() == Kind::kNull) return NothingToFit(values);
  ARROW_RETURN_NOT_OK(CheckCategorical(values.kind()));
  auto counts =
      WithCategory(values.kind(), [&]<typename T>() { return Count<T>(values); });
  if (counts.empty()) return NothingToFit(values);
  arrow::util::InitializeUTF8();
  for (const auto& [category, count] : counts) {
    if (category.is_string() &&
        !arrow::util::ValidateUTF8(std::string_view(category.get_string()))) {
      return Status::Invalid("has a category that is not UTF-8");
    }
  }
  return counts;
}

Result<std::vector<int64_t>> CodesOf(const ColumnValues& values, const json::array& categories) {
  std::vector<int64_t> codes(static_cast<size_t>(values.rows()), -1);
  if (values.kind() == Kind::kNull) return codes;
  ARROW_RETURN_NOT_OK(CheckCategorical(values.kind()));
  ARROW_RETURN_NOT_OK(WithCategory(values.kind(), [&]<typename T>() -> Status {
    ARROW_ASSIGN_OR_RAISE(const Table<T> table, TableOf<T>(categories));
    values.ForEachRow<Seen<T>>([&](int64_t row, Seen<T> value) {
      const auto found = table.find(value);
      if (found != table.end()) codes[static_cast<size_t>(row)] = found->second;
    });
    return Status::OK();
  }));
  return codes;
}

Result<json::array> CategoriesParameter(const json::object& parameters, std::string_view name) {
  const json::value* categories = parameters.if_contains(name);
  if (categories == nullptr || !categories->is_array()) {
    return Status::Invalid("has no fitted '", name, "'");
  }
  return categories->get_array();
}

Result<Value> EmitCodes(Binder& binder, const Value& input, const json::array& categories) {
  if (input.type.kind == Kind::kNull) return binder.Null(expr::kIntType);
  ARROW_RETURN_NOT_OK(CheckCategorical(input.type.kind));
  return WithCategory(input.type.kind, [&]<typename T>() -> Result<Value> {
    ARROW_ASSIGN_OR_RAISE(Table<T> table, TableOf<T>(categories));
    return binder.Emit(expr::MapWith<Table<T>, Layout<T>, int64_t, Lookup<T>>, expr::kIntType,
                       {input}, 0, binder.Own(std::move(table)));
  });
}

Result<Value> EmitCategories(Binder& binder, const Value& codes, const json::array& categories) {
  ARROW_ASSIGN_OR_RAISE(const Value code,
                        binder.AsKind(codes, Kind::kInt, "an int64 index of a category"));
  if (categories.empty()) return Status::Invalid("has no fitted categories");
  const Kind kind = categories[0].is_string() ? Kind::kString
                    : categories[0].is_bool() ? Kind::kBool
                                              : Kind::kInt;
  return WithCategory(kind, [&]<typename T>() -> Result<Value> {
    // Also checks their types, and that each is there once.
    ARROW_ASSIGN_OR_RAISE(const Table<T> table, TableOf<T>(categories));
    using Kept = std::conditional_t<std::is_same_v<T, bool>, expr::Bool, T>;
    std::vector<Kept> values(categories.size());
    for (const auto& [value, index] : table) values[static_cast<size_t>(index)] = value;
    return binder.Emit(
        expr::TryMapWith<std::vector<Kept>, int64_t, Layout<Kept>, CategoryAt<Kept>>,
        {kind, ""}, {code}, 0, binder.Own(std::move(values)));
  });
}

Value EmitTable(Binder& binder, const Value& codes, std::vector<double> table, double otherwise) {
  return binder.Emit(expr::MapWith<Numbers, int64_t, double, NumberAt>, expr::kDoubleType, {codes},
                     0, binder.Own(Numbers{std::move(table), otherwise}));
}

}  // namespace tercet
