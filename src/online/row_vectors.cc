#include "online/row_vectors.h"

#include <algorithm>
#include <cstring>

#include "online/row_encoder.h"
#include "online/store_key.h"

namespace tercet {
namespace {

/// More reads and forms than this are resolved anew now and then: whoever asks has a few views.
constexpr size_t kMostKept = 1024;
/// About what an entry has before the fixed part of its row.
constexpr size_t kEntryBytes = 96;
constexpr size_t kMostAhead = 1024;
constexpr char kVectorKey = 'V';  // no store key begins like this

}  // namespace

VectorBytes::VectorBytes(std::string_view value, size_t groups)
    : status(value.substr(kTimeBytes, groups)),
      row{.bytes = value.substr(kTimeBytes + groups), .layout = 0} {
  std::memcpy(&first_us, value.data(), sizeof(first_us));
  std::memcpy(&last_us, value.data() + sizeof(first_us), sizeof(last_us));
}

Status VectorBytes::Append(const VectorForm& form, int64_t first_us, int64_t last_us,
                           std::span<const RowStatus> status, std::span<const Cell> cells,
                           std::string* value) {
  value->append(reinterpret_cast<const char*>(&first_us), sizeof(first_us));
  value->append(reinterpret_cast<const char*>(&last_us), sizeof(last_us));
  for (const RowStatus one : status) value->push_back(static_cast<char>(one));
  return AppendRow(*form.layout, cells, value);
}

void RowVectors::AppendKey(const VectorForm& form, std::string_view key, std::string* out) {
  out->push_back(kVectorKey);
  out->append(reinterpret_cast<const char*>(&form.number), sizeof(form.number));
  out->append(key);
}

std::shared_ptr<const ResolvedVector> RowVectors::Find(uint64_t read_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = reads_.find(read_id);
  return found == reads_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const ResolvedVector>> RowVectors::Resolve(
    const VectorRead& read, const std::shared_ptr<const GroupStates>& states) {
  auto resolved = std::make_shared<ResolvedVector>();
  resolved->states = states;
  for (const CellColumns& group : read.groups()) {
    const auto found = states->find(group.group);
    if (found == states->end()) {
      return Status::KeyError("feature group '", group.group.ToText(),
                              "' is not in the online store");
    }
    const GroupState& state = *found->second;
    ARROW_ASSIGN_OR_RAISE(auto columns,
                          state.projections->Get(state.layouts, group.columns, group.group.name));
    resolved->groups.push_back({.state = &state,
                                .prefix = StorePrefix(kRowsRecord, state.id, state.generation),
                                .ttl_us = group.ttl_us ? group.ttl_us : state.definition.ttl_us,
                                .columns = std::move(columns)});
  }
  ARROW_ASSIGN_OR_RAISE(resolved->form, FormOf(read, *resolved));
  const std::lock_guard lock(mutex_);
  if (reads_.size() >= kMostKept) reads_.erase(reads_.begin());  // the oldest
  reads_[read.id()] = resolved;
  return resolved;
}

Result<std::shared_ptr<const VectorForm>> RowVectors::FormOf(const VectorRead& read,
                                                             const ResolvedVector& resolved) {
  std::string content;
  arrow::FieldVector fields;
  for (size_t g = 0; g < resolved.groups.size(); ++g) {
    const ResolvedVector::Group& group = resolved.groups[g];
    content += group.prefix;
    for (const auto& layout : group.state->layouts) {
      content += std::to_string(layout->fingerprint()) + ',';
    }
    content += group.ttl_us ? std::to_string(*group.ttl_us) : "-";
    content += '\0';
    for (const std::string& column : read.groups()[g].columns) (content += column) += '\0';
    content += '\0';
    for (const auto& field : group.columns->schema()->fields()) {
      fields.push_back(field->WithName(std::to_string(fields.size())));
    }
  }
  {
    const std::lock_guard lock(mutex_);
    const auto known = forms_.find(content);
    if (known != forms_.end()) return known->second;
  }
  auto form = std::make_shared<VectorForm>();
  const auto schema = arrow::schema(std::move(fields));
  ARROW_ASSIGN_OR_RAISE(form->layout, RowLayout::Make(schema));
  ARROW_ASSIGN_OR_RAISE(form->columns,
                        RowProjection::Make({form->layout}, schema->field_names(), "vector"));
  form->ahead_bytes = std::min(kEntryBytes + form->layout->fixed_end(), kMostAhead);
  const std::lock_guard lock(mutex_);
  if (forms_.size() >= kMostKept) forms_.clear();
  const auto [kept, added] = forms_.try_emplace(content, form);
  if (added) form->number = next_number_++;
  return kept->second;
}

}  // namespace tercet
