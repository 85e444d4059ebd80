#include "view/vector_lookup.h"

#include "compute/cell_key.h"

namespace tercet {

bool VectorLookup::AddGroup(const ViewGroup& group, const std::vector<std::string>& keys,
                            const std::vector<std::string>& columns) {
  Key key;
  const arrow::Schema& entities = *entities_;
  for (size_t k = 0; k < keys.size(); ++k) {
    const int entity = entities.GetFieldIndex(keys[k]);
    const auto& type = group.key_schema->field(static_cast<int>(k))->type();
    if (entity < 0 || !entities.field(entity)->type()->Equals(*type) || !IsCellKeyType(*type)) {
      return false;
    }
    key.entities.push_back(static_cast<size_t>(entity));
    key.types.push_back(type->id());
  }
  groups_.push_back({.group = group.definition.ref(), .columns = columns, .ttl_us = group.ttl_us});
  keys_.push_back(std::move(key));
  return true;
}

std::shared_ptr<const VectorLookup> VectorLookup::Make(
    const std::shared_ptr<const ViewPlan>& plan) {
  if (plan->helper_schema()->num_fields() > 0) return nullptr;
  auto lookup = std::make_shared<VectorLookup>();
  lookup->plan_ = plan;
  lookup->entities_ = plan->entity_schema();
  const arrow::Schema& entities = *lookup->entities_;
  for (const auto& field : entities.fields()) {
    if (!IsCellType(*field->type())) return nullptr;
  }
  size_t cells = 0;
  for (size_t g = 0; g < plan->groups().size(); ++g) {
    const ViewGroup& group = plan->groups()[g];
    const bool online = plan->online_group(static_cast<int>(g));
    std::vector<std::string> columns;
    for (const ViewColumn& column : plan->columns()) {
      if (column.group != static_cast<int>(g) || column.role == ViewColumn::Role::kLabel) continue;
      if (!IsCellType(*column.type)) return nullptr;
      // What the entity brings is not looked up, by the name that it has in the view or, of the
      // root, in the group.
      int entity = entities.GetFieldIndex(column.name);
      if (entity < 0 && g == 0) entity = entities.GetFieldIndex(column.feature);
      if (entity >= 0) {
        if (!entities.field(entity)->type()->Equals(*column.type)) return nullptr;
        lookup->features_.push_back({.group = -1, .cell = static_cast<size_t>(entity)});
        continue;
      }
      const bool time = g == 0 && column.feature == group.definition.event_time;
      if (!online || time) return nullptr;
      lookup->features_.push_back(
          {.group = static_cast<int>(lookup->groups_.size()), .cell = cells + columns.size()});
      columns.push_back(column.feature);
    }
    if (columns.empty()) continue;
    const std::vector<std::string> keys =
        g == 0 ? group.key_schema->field_names() : group.left_keys;
    if (!lookup->AddGroup(group, keys, columns)) return nullptr;
    cells += columns.size();
  }
  // Computed features come after those of groups, so any that is missing here is one.
  const bool all =
      lookup->features_.size() == static_cast<size_t>(plan->feature_schema()->num_fields());
  return all ? lookup : nullptr;
}

Result<bool> VectorLookup::Read(OnlineRows* online, std::span<const Cell> entity,
                                int64_t event_time_us, VectorCells* vector) const {
  vector->keys.resize(groups_.size());
  std::vector<Cell>& parts = vector->features;  // not needed before
  for (size_t g = 0; g < groups_.size(); ++g) {
    vector->keys[g].clear();
    parts.clear();
    bool null = false;
    for (const size_t e : keys_[g].entities) {
      parts.push_back(entity[e]);
      null |= entity[e].null();
    }
    if (!null) AppendCellKey(keys_[g].types, parts, &vector->keys[g]);
  }
  ARROW_ASSIGN_OR_RAISE(const bool answered,
                        online->ReadCells(groups_, vector->keys, event_time_us, &vector->rows));
  if (!answered) return false;
  vector->features.clear();
  vector->status.clear();
  for (const Feature& feature : features_) {
    const bool looked_up = feature.group >= 0;
    vector->features.push_back(looked_up ? vector->rows.cells[feature.cell] : entity[feature.cell]);
    vector->status.push_back(looked_up ? vector->rows.status[static_cast<size_t>(feature.group)]
                                       : RowStatus::kPresent);
  }
  return true;
}

}  // namespace tercet
