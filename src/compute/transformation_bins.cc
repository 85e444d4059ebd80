#include <algorithm>
#include <cmath>

#include "base/short_text.h"
#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// equal_width_bins, equal_frequency_bins and bins: numbers become the index of their interval.
/// Formulas are those of scikit-learn's KBinsDiscretizer with encode="ordinal".
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;

constexpr int64_t kMaxBins = 10'000;

/// Edges between bins; what is on an edge is in the bin above it.
using Edges = std::vector<double>;

bool BinOf(const Edges& edges, double x, int64_t* bin) {
  if (std::isnan(x)) return false;
  *bin = std::upper_bound(edges.begin(), edges.end(), x) - edges.begin();
  return true;
}

Result<std::vector<Value>> BindEdges(Binder& binder, const Value& input, Edges inner) {
  ARROW_ASSIGN_OR_RAISE(const Value number, expr::EmitNumber(binder, input));
  return std::vector<Value>{binder.Emit(expr::TryMapWith<Edges, double, int64_t, BinOf>,
                                        expr::kIntType, {number}, 0,
                                        binder.Own(std::move(inner)))};
}

Kind IntAnswer(const json::object&, Kind, size_t) { return Kind::kInt; }

Status CheckBins(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"bins"}));
  ARROW_RETURN_NOT_OK(CountOption(options, "bins", 10, 2, kMaxBins).status());
  return CheckNumeric(kind);
}

json::object EdgesParameter(const Edges& edges) {
  return {{"edges", json::array(edges.begin(), edges.end())}};
}

Result<json::object> FitEqualWidth(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bins, CountOption(options, "bins", 10, 2, kMaxBins));
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  Edges edges = {*least};
  if (*most > *least) {
    const double step = (*most - *least) / static_cast<double>(bins);
    for (int64_t k = 1; k < bins; ++k) edges.push_back(static_cast<double>(k) * step + *least);
  }
  edges.push_back(*most);
  return EdgesParameter(edges);
}

Result<json::object> FitEqualFrequency(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const int64_t bins, CountOption(options, "bins", 10, 2, kMaxBins));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  std::vector<double> fractions;
  for (int64_t k = 0; k <= bins; ++k) {
    fractions.push_back(static_cast<double>(k) / static_cast<double>(bins));
  }
  // Bins that are (nearly) empty of width, because many values are equal, are one with the next.
  Edges edges;
  for (double edge : QuantilesOf(numbers, fractions)) {
    if (edges.empty() || edge - edges.back() > 1e-8) edges.push_back(edge);
  }
  if (edges.size() == 1) edges.push_back(edges.front());
  return EdgesParameter(edges);
}

/// The outer edges bound the middle of the first and last bin only: any number is in some bin.
Result<std::vector<Value>> BindBins(Binder& binder, const Value& input, const json::object&,
                                    const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const Edges edges, NumbersParameter(parameters, "edges"));
  if (edges.size() < 2 || !std::is_sorted(edges.begin(), edges.end())) {
    return Status::Invalid("has fitted 'edges' that are not two or more in ascending order");
  }
  return BindEdges(binder, input, Edges(edges.begin() + 1, edges.end() - 1));
}

bool MiddleOf(const Edges& edges, int64_t bin, double* middle) {
  if (bin < 0 || bin + 1 >= static_cast<int64_t>(edges.size())) return false;
  const auto k = static_cast<size_t>(bin);
  *middle = (edges[k] + edges[k + 1]) * 0.5;
  return true;
}

Result<Value> UndoBins(Binder& binder, std::span<const Value> outputs, const json::object&,
                       const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(Edges edges, NumbersParameter(parameters, "edges"));
  ARROW_ASSIGN_OR_RAISE(const Value bin, binder.AsKind(outputs[0], Kind::kInt, "an int64 bin"));
  return binder.Emit(expr::TryMapWith<Edges, int64_t, double, MiddleOf>, expr::kDoubleType, {bin},
                     0, binder.Own(std::move(edges)));
}

Result<Edges> GivenEdges(const json::object& options) {
  ARROW_ASSIGN_OR_RAISE(const Edges edges, NumbersParameter(options, "edges"));
  if (std::adjacent_find(edges.begin(), edges.end(), std::greater_equal<>()) != edges.end()) {
    return Status::Invalid("takes 'edges' in ascending order, each once");
  }
  return edges;
}

Status CheckGivenBins(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"edges"}));
  if (!options.contains("edges")) return Status::Invalid("needs its 'edges'");
  if (!GivenEdges(options).ok()) {
    return Status::Invalid("takes 'edges' that are numbers in ascending order, each once, not ",
                           ShortText(ToText(options.at("edges"))));
  }
  return CheckNumeric(kind);
}

Result<std::vector<Value>> BindGivenBins(Binder& binder, const Value& input,
                                         const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(Edges edges, GivenEdges(options));
  return BindEdges(binder, input, std::move(edges));
}

constexpr TransformationKind kKinds[] = {
    {.name = "equal_width_bins",
     .check = CheckBins,
     .fits_doubles = true,
     .fit = FitEqualWidth,
     .bind = BindBins,
     .inverse = UndoBins,
     .answer = IntAnswer},
    {.name = "equal_frequency_bins",
     .check = CheckBins,
     .fits_doubles = true,
     .fit = FitEqualFrequency,
     .bind = BindBins,
     .inverse = UndoBins,
     .answer = IntAnswer},
    {.name = "bins", .check = CheckGivenBins, .bind = BindGivenBins, .answer = IntAnswer},
};

}  // namespace

std::span<const TransformationKind> BinKinds() { return kKinds; }

}  // namespace tercet
