#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "compute/column_values.h"
#include "compute/expression_binder.h"

namespace tercet {

/// Categories: the values of a column of strings, integers or bools, as JSON keeps them.

/// TypeError for columns of other kinds.
Status CheckCategorical(expr::Kind kind);

/// Each category among the values with how often it comes, in sorted order. Invalid when there is
/// none, or one that is not UTF-8.
Result<std::vector<std::pair<json::value, int64_t>>> CountCategories(const ColumnValues& values);

/// The index of every row's category among `categories`, −1 for null.
Result<std::vector<int64_t>> CodesOf(const ColumnValues& values, const json::array& categories);

/// The fitted list of this name. Invalid when there is none.
Result<json::array> CategoriesParameter(const json::object& parameters, std::string_view name);

/// Bound: an int64, the index of the row's category; −1 for others, null for null.
Result<expr::Value> EmitCodes(expr::Binder& binder, const expr::Value& input,
                              const json::array& categories);

/// Bound, the other way round: the category of the code; null for codes without one.
Result<expr::Value> EmitCategories(expr::Binder& binder, const expr::Value& codes,
                                   const json::array& categories);

/// Bound: table[code], `otherwise` for −1; null stays null.
expr::Value EmitTable(expr::Binder& binder, const expr::Value& codes, std::vector<double> table,
                      double otherwise);

}  // namespace tercet
