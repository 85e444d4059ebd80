#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cell.h"
#include "catalog/vector_rows.h"
#include "compute/expression.h"
#include "view/view_plan.h"

namespace tercet {

/// The vector read of a view for entities that bring what the view asks for and nothing else,
/// resolved once: rows looked up and features computed in place, from cells to cells. It answers as
/// ReadVectors does. Immutable, thread-safe.
class VectorLookup {
 public:
  /// Null when the view's vectors take more than that: keys that another row says, keys that must
  /// be cast, types that are no cells.
  static std::shared_ptr<const VectorLookup> Make(const std::shared_ptr<const ViewPlan>& plan);

  const std::shared_ptr<const ViewPlan>& plan() const { return plan_; }
  const std::shared_ptr<arrow::Schema>& entities() const { return entities_; }

  /// `entities`: row by row, a cell for each field of plan.entity_schema(), which must stay as long
  /// as `vector` is used; where that has no fields, one row. The features are
  /// plan.feature_schema()'s, row by row, all of one moment. False where `online` does not answer
  /// in this way: ReadVectors does.
  Result<bool> Read(OnlineRows* online, std::span<const Cell> entities, int64_t event_time_us,
                    VectorCells* vector) const;
  /// The same; one entity's rows by one key are asked for as a vector, which `online` may keep.
  Result<bool> Read(VectorRows* online, std::span<const Cell> entities, int64_t event_time_us,
                    VectorCells* vector) const;
  /// How many rows such cells are.
  size_t RowsOf(std::span<const Cell> entities) const;

  /// The same for features that are numbers and booleans all, into a target each. kElsewhere also
  /// for a view that has more than what is looked up and brought.
  Result<ColumnsRead> ReadColumns(VectorRows* online, std::span<const Cell> entities,
                                  int64_t event_time_us,
                                  std::span<const ColumnTarget> features) const;

 private:
  struct Key {
    std::vector<size_t> entities;  ///< which entity cells are the key, in its order
    std::vector<arrow::Type::type> types;
    bool operator==(const Key&) const = default;
    /// Appends the byte form of a row's key; false where a part of it is null.
    bool Append(std::span<const Cell> entity, std::string* out) const;
  };
  /// Where a value comes from.
  struct Source {
    enum class From { kEntity, kLookedUp, kComputed, kEventTime, kNothing };
    From from = From::kNothing;
    size_t index = 0;  ///< of the entity's cells, the rows' cells, or computations_
    size_t group = 0;  ///< into groups_, of what is looked up
  };
  /// An on-demand feature, after those that it is made of.
  struct Computation {
    std::string what;  ///< whose it is, in errors
    std::shared_ptr<const CompiledExpression> expression;
    std::vector<Source> inputs;
  };
  class Maker;

  /// Makes the features of entities whose rows are in `vector`.
  Status FillFeatures(std::span<const Cell> entities, int64_t event_time_us,
                      VectorCells* vector) const;
  /// Whether every looked up column is one feature, and all others come with the request.
  bool TakesColumns() const;

  std::shared_ptr<const ViewPlan> plan_;
  std::shared_ptr<arrow::Schema> entities_;
  std::vector<CellColumns> groups_;
  std::vector<Key> keys_;           // one a group
  std::vector<size_t> same_key_;    // the first group of the same key, one a group
  std::vector<size_t> first_cells_;  // of each group's columns, among those of all
  size_t looked_up_ = 0;   // columns of all groups
  bool takes_columns_ = false;
  bool in_order_ = false;  // the features are what is looked up, in its order
  std::optional<VectorRead> one_key_;  // groups_, where they are several of the same key
  std::vector<Computation> computations_;
  std::vector<Source> features_;
  std::vector<Source> helpers_;
};

}  // namespace tercet
