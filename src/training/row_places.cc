#include "training/row_places.h"

#include <map>
#include <utility>

#include "training/cross_fit.h"
#include "training/part_maker.h"

namespace tercet {
namespace {

/// The parameters that the rows of a part are transformed by which some of them were fitted on.
struct FoldVariants {
  std::vector<size_t> of_row;
  std::vector<std::vector<FittedTransformation>> variants;
};

/// Rows that are in the same fold of every supervised transformation have a variant.
Status Divide(const FoldFits& folds, size_t step, FoldVariants* rows) {
  std::map<std::pair<size_t, int32_t>, size_t> numbers;
  std::vector<std::vector<FittedTransformation>> variants;
  for (size_t i = 0; i < rows->of_row.size(); ++i) {
    const std::pair<size_t, int32_t> one(rows->of_row[i], folds.fold_of[i]);
    const auto [found, is_new] = numbers.emplace(one, variants.size());
    if (is_new) {
      variants.push_back(rows->variants[one.first]);
      variants.back()[step] = folds.fitted[static_cast<size_t>(one.second)];
    }
    rows->of_row[i] = found->second;
  }
  rows->variants = std::move(variants);
  return Status::OK();
}

Result<FoldVariants> VariantsOf(const std::vector<FittedTransformation>& fitted,
                                const RawPart& part, int64_t seed, const TableStore& store) {
  FoldVariants rows{
      .of_row = std::vector<size_t>(static_cast<size_t>(part.features->num_rows()), 0),
      .variants = {fitted}};
  std::shared_ptr<arrow::Table> features = part.features;
  for (size_t step = 0; step < fitted.size(); ++step) {
    ARROW_ASSIGN_OR_RAISE(const bool supervised, IsSupervised(fitted[step].kind));
    if (supervised) {
      ARROW_ASSIGN_OR_RAISE(const FoldFits folds,
                            FitFolds(DefinitionOf(fitted[step]), features, part.labels, seed));
      ARROW_RETURN_NOT_OK(Divide(folds, step, &rows));
    }
    if (step + 1 == fitted.size()) break;
    ARROW_ASSIGN_OR_RAISE(
        features, TransformFitted(fitted[step], features, part.labels, seed, store));
  }
  return rows;
}

}  // namespace

Result<RowPlaces> PlacesOf(int64_t rows, const std::vector<RowIndices>& parts,
                           const std::vector<FittedTransformation>& fitted, const RawPart* fitting,
                           size_t fitting_place, int64_t seed, const TableStore& store) {
  if (parts.size() >= RowPlaces::kNoPart) {
    return Status::NotImplemented("another engine's rows are divided into at most ",
                                  RowPlaces::kNoPart - 1, " parts, not ", parts.size());
  }
  RowPlaces places{
      .part = std::vector<uint8_t>(static_cast<size_t>(rows), RowPlaces::kNoPart),
      .variant = std::vector<uint8_t>(static_cast<size_t>(rows), 0),
      .variants = {fitted}};
  for (size_t p = 0; p < parts.size(); ++p) {
    for (int64_t i = 0; i < parts[p]->length(); ++i) {
      places.part[static_cast<size_t>(parts[p]->Value(i))] = static_cast<uint8_t>(p);
    }
  }
  ARROW_ASSIGN_OR_RAISE(const bool supervised, AnySupervised(fitted));
  if (fitting == nullptr || !supervised) return places;
  ARROW_ASSIGN_OR_RAISE(FoldVariants folds, VariantsOf(fitted, *fitting, seed, store));
  if (folds.variants.size() > 255) {
    return Status::NotImplemented("the folds of supervised transformations divide the rows ",
                                  folds.variants.size(), " ways, more than another engine is told");
  }
  for (auto& variant : folds.variants) places.variants.push_back(std::move(variant));
  const arrow::Int64Array& numbers = *parts[fitting_place];
  for (int64_t i = 0; i < numbers.length(); ++i) {
    places.variant[static_cast<size_t>(numbers.Value(i))] =
        static_cast<uint8_t>(folds.of_row[static_cast<size_t>(i)] + 1);
  }
  return places;
}

}  // namespace tercet
