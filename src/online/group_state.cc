#include "online/group_state.h"

#include <cstring>

#include "base/json.h"

namespace tercet {
namespace {

/// Readers ask for the columns of a few views; more lists than this are resolved at each read.
constexpr size_t kMaxProjections = 256;

/// Whether both have the same names. Asked with each read of dozens of short ones, for which a call
/// of memcmp is most of what they cost.
bool SameNames(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t size = a[i].size();
    if (b[i].size() != size) return false;
    const char *left = a[i].data(), *right = b[i].data();
    if (size > sizeof(uint64_t)) {
      if (std::memcmp(left, right, size) != 0) return false;
      continue;
    }
    bool same = true;
    for (size_t k = 0; k < size; ++k) same &= left[k] == right[k];
    if (!same) return false;
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<const RowProjection>> ProjectionCache::Get(
    const std::vector<std::shared_ptr<const RowLayout>>& layouts,
    const std::vector<std::string>& columns, std::string_view group) {
  const Node* known = newest_.load(std::memory_order_acquire);
  for (const Node* node = known; node != nullptr; node = node->next) {
    if (SameNames(node->projection->columns(), columns)) return node->projection;
  }
  ARROW_ASSIGN_OR_RAISE(auto projection, RowProjection::Make(layouts, columns, group));
  // Two readers may add the same at once: then it is there twice.
  if (count_.fetch_add(1, std::memory_order_relaxed) < kMaxProjections) {
    auto* node = new Node{projection, known};
    while (!newest_.compare_exchange_weak(node->next, node, std::memory_order_acq_rel)) {
    }
  }
  return projection;
}

const RowProjection* ProjectionCache::Find(const std::vector<std::string>& columns) const {
  const Node* node = newest_.load(std::memory_order_acquire);
  while (node != nullptr && !SameNames(node->projection->columns(), columns)) node = node->next;
  return node == nullptr ? nullptr : node->projection.get();
}

ProjectionCache::~ProjectionCache() {
  for (const Node* node = newest_.load(std::memory_order_acquire); node != nullptr;) {
    const std::unique_ptr<const Node> owned(node);
    node = owned->next;
  }
}

Status GroupState::SetLayouts(std::vector<std::shared_ptr<const RowLayout>> all) {
  layouts = std::move(all);
  projections = std::make_shared<ProjectionCache>();
  key_fields.clear();
  arrow::FieldVector fields;
  for (const std::string& key : definition.primary_key) {
    key_fields.push_back(layout()->schema()->GetFieldIndex(key));
    if (key_fields.back() < 0) {
      return Status::Invalid("online store: feature group '", definition.ref().ToText(),
                             "' has no column for its key '", key, "'");
    }
    fields.push_back(layout()->schema()->field(key_fields.back()));
  }
  key_schema = arrow::schema(std::move(fields));
  return Status::OK();
}

Result<GroupState> GroupState::Make(uint32_t id, const FeatureGroupDefinition& definition) {
  if (definition.schema == nullptr) {
    return Status::Invalid("online store: feature group '", definition.ref().ToText(),
                           "' has no schema yet");
  }
  GroupState state;
  state.id = id;
  state.definition = definition;
  ARROW_ASSIGN_OR_RAISE(auto layout, RowLayout::Make(definition.schema));
  ARROW_RETURN_NOT_OK(state.SetLayouts({std::move(layout)}));
  state.writes = std::make_shared<RowWrites>();
  return state;
}

Result<GroupState> GroupState::WithDefinition(const FeatureGroupDefinition& changed) const {
  if (changed.primary_key != definition.primary_key ||
      changed.event_time != definition.event_time) {
    return Status::TypeError("online store: the primary key or event time of feature group '",
                             changed.ref().ToText(), "' changed");
  }
  GroupState state = *this;
  state.definition = changed;
  ARROW_ASSIGN_OR_RAISE(auto newest, RowLayout::Make(changed.schema));
  std::vector<std::shared_ptr<const RowLayout>> all;
  for (const auto& layout : layouts) {
    for (const auto& field : layout->schema()->fields()) {
      const auto now = changed.schema->GetFieldByName(field->name());
      if (now == nullptr || now->type()->Equals(*field->type())) continue;
      return Status::TypeError("online store: column '", field->name(), "' of feature group '",
                               changed.ref().ToText(), "' changed from ", field->type()->ToString(),
                               " to ", now->type()->ToString());
    }
    if (layout->fingerprint() != newest->fingerprint()) all.push_back(layout);
  }
  all.push_back(std::move(newest));
  ARROW_RETURN_NOT_OK(state.SetLayouts(std::move(all)));
  return state;
}

std::string GroupState::ToBytes() const {
  json::array schemas;
  for (const auto& layout : layouts) schemas.push_back(SchemaToJson(*layout->schema()));
  return ToText(json::object{{"id", id},
                             {"generation", generation},
                             {"applied_version", applied_version},
                             {"definition", definition.ToJson()},
                             {"layouts", schemas}});
}

Result<GroupState> GroupState::FromBytes(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(bytes));
  ARROW_ASSIGN_OR_RAISE(const json::object definition, FindObject(object, "definition"));
  ARROW_ASSIGN_OR_RAISE(const json::array schemas, FindArray(object, "layouts"));
  GroupState state;
  ARROW_ASSIGN_OR_RAISE(const int64_t id, GetInt(object, "id"));
  ARROW_ASSIGN_OR_RAISE(const int64_t generation, GetInt(object, "generation"));
  ARROW_ASSIGN_OR_RAISE(state.applied_version, GetInt(object, "applied_version"));
  ARROW_ASSIGN_OR_RAISE(state.definition, FeatureGroupDefinition::FromJson(definition));
  state.id = static_cast<uint32_t>(id);
  state.generation = static_cast<uint32_t>(generation);
  std::vector<std::shared_ptr<const RowLayout>> all;
  for (const json::value& schema : schemas) {
    if (!schema.is_array()) return Status::IOError("online store: a group's schema is corrupt");
    ARROW_ASSIGN_OR_RAISE(auto columns, SchemaFromJson(schema.as_array()));
    ARROW_ASSIGN_OR_RAISE(all.emplace_back(), RowLayout::Make(std::move(columns)));
  }
  if (all.empty()) return Status::IOError("online store: a group without a schema");
  ARROW_RETURN_NOT_OK(state.SetLayouts(std::move(all)));
  state.writes = std::make_shared<RowWrites>();
  return state;
}

}  // namespace tercet
