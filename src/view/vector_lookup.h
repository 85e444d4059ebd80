#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/cell.h"
#include "catalog/online_rows.h"
#include "view/view_plan.h"

namespace tercet {

/// The plain vector read of a view, resolved once: one entity that brings what the view asks for
/// and nothing else, and features that are only looked up. It answers as ReadVectors does.
/// Immutable, thread-safe.
class VectorLookup {
 public:
  /// Null when the view's vectors take more than that: computed features, helper columns, keys that
  /// another row says, keys that must be cast, types that are no cells.
  static std::shared_ptr<const VectorLookup> Make(const std::shared_ptr<const ViewPlan>& plan);

  const std::shared_ptr<const ViewPlan>& plan() const { return plan_; }
  const std::shared_ptr<arrow::Schema>& entities() const { return entities_; }

  /// `entity`: a cell for each field of plan.entity_schema(), which must stay as long as `vector`
  /// is used; the features are plan.feature_schema()'s. False where `online` does not answer in
  /// this way: ReadVectors does.
  Result<bool> Read(OnlineRows* online, std::span<const Cell> entity, int64_t event_time_us,
                    VectorCells* vector) const;

 private:
  struct Key {
    std::vector<size_t> entities;  ///< which entity cells are the key, in its order
    std::vector<arrow::Type::type> types;
  };
  struct Feature {
    int group = -1;   ///< into groups_; −1: of the entity
    size_t cell = 0;  ///< of the rows' cells, or of the entity's
  };

  bool AddGroup(const ViewGroup& group, const std::vector<std::string>& keys,
                const std::vector<std::string>& columns);

  std::shared_ptr<const ViewPlan> plan_;
  std::shared_ptr<arrow::Schema> entities_;
  std::vector<CellColumns> groups_;
  std::vector<Key> keys_;  // one a group
  std::vector<Feature> features_;
};

}  // namespace tercet
