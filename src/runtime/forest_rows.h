#pragma once

#include <cstdint>
#include <vector>

#include <arrow/record_batch.h>

#include "runtime/block_trees.h"
#include "runtime/feature_rows.h"

namespace tercet {

/// Adds the leaves of a forest (XgboostForest, LightgbmForest) for rows [begin, end) of a batch,
/// which passed CheckFeatureTypes, to `sums`, `group_count` a row; in blocks where there are rows
/// enough and the forest has that way, else by walking. The bits are the same.
template <typename Forest, typename Number>
void AddLeavesOf(const Forest& forest, const arrow::RecordBatch& features, int64_t begin,
                 int64_t end, const std::vector<CategoryCodes>& categories, int64_t group_count,
                 Number* sums) {
  const int64_t rows = end - begin;
  const BlockTrees<Number>* blocks = forest.blocks();
  if (blocks != nullptr && rows >= BlockTrees<Number>::kFewestRows) {
    blocks->AddLeaves(
        [&](size_t feature, int64_t first, int64_t count, Number* values) {
          FillFeatureColumn(features, static_cast<int>(feature), begin + first,
                            begin + first + count, categories, values);
        },
        rows, group_count, sums);
    return;
  }
  const auto columns = static_cast<int64_t>(categories.size());
  std::vector<Number> values(static_cast<size_t>(rows * columns));
  FillFeatureRows(features, begin, end, categories, values.data());
  forest.AddLeaves(values.data(), rows, columns, group_count, sums);
}

}  // namespace tercet
