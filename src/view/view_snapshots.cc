#include "view/view_snapshots.h"

namespace tercet {

Result<std::shared_ptr<Snapshot>> ViewSnapshots::Get(const FeatureGroupDefinition& group) {
  const std::string name = group.ref().ToText();
  std::shared_ptr<Snapshot>& snapshot = snapshots_[name];
  if (snapshot != nullptr) return snapshot;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(group.ref()));
  const auto pin = wanted_.find(name);
  if (pin == wanted_.end()) {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->Head());
  } else {
    ARROW_ASSIGN_OR_RAISE(snapshot, table->AtVersion(pin->second));
  }
  pins_[name] = snapshot->version();
  return snapshot;
}

}  // namespace tercet
