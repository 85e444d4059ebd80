#include "view/feature_views.h"

#include <algorithm>

#include "base/name.h"

namespace tercet {
namespace {

std::vector<GroupSelection*> Selections(FeatureViewDefinition* definition) {
  std::vector<GroupSelection*> selections{&definition->root};
  for (GroupSelection& join : definition->joins) selections.push_back(&join);
  return selections;
}

/// Gives a version to groups that name none: that of the stored view at the same place, so that
/// defining a view again stays without effect when a group got a newer version; else the newest.
Status NameGroupVersions(const FeatureViewDefinition* stored, FeatureTables* tables,
                         FeatureViewDefinition* definition) {
  FeatureViewDefinition none;
  FeatureViewDefinition known = stored == nullptr ? none : *stored;
  const std::vector<GroupSelection*> given = Selections(definition), before = Selections(&known);
  for (size_t i = 0; i < given.size(); ++i) {
    Ref& group = given[i]->group;
    if (group.version != 0) continue;
    if (i < before.size() && before[i]->group.name == group.name) {
      group.version = before[i]->group.version;
    } else {
      ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition newest, tables->Definition(group));
      group.version = newest.version;
    }
  }
  return Status::OK();
}

std::string Short(const json::value& value) {
  std::string text = ToText(value);
  if (text.size() > 400) {
    size_t end = 400;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a UTF-8 character
    text.resize(end);
    text += " …";
  }
  return text;
}

/// Whether both are objects of the same members in the same order.
bool SameMembers(const json::value& mine, const json::value& theirs) {
  if (!mine.is_object() || !theirs.is_object()) return false;
  const json::object &left = mine.get_object(), &right = theirs.get_object();
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& a, const auto& b) { return a.key() == b.key(); });
}

/// Adds a line for each place where the two differ: "joins[0].prefix: "", not "origin_"".
void AddDifferences(const std::string& path, const json::value& mine, const json::value& theirs,
                    std::string* text) {
  if (ToText(mine) == ToText(theirs)) return;
  if (SameMembers(mine, theirs)) {
    const auto* other = theirs.get_object().begin();
    for (const auto& member : mine.get_object()) {
      AddDifferences(path + (path.empty() ? "" : ".") + std::string(member.key()), member.value(),
                     (other++)->value(), text);
    }
  } else if (mine.is_array() && theirs.is_array() &&
             mine.get_array().size() == theirs.get_array().size()) {
    for (size_t i = 0; i < mine.get_array().size(); ++i) {
      AddDifferences(path + "[" + std::to_string(i) + "]", mine.get_array()[i],
                     theirs.get_array()[i], text);
    }
  } else {
    *text += (text->empty() ? "" : "\n") + path + ": " + Short(mine) + ", not " + Short(theirs);
  }
}

/// Empty when both define the same, else one line a difference ("labels: [], not ["late"]").
/// Objects are compared with the order of their members, since the order of on-demand features is
/// a part of the definition.
std::string Difference(const FeatureViewDefinition& given, const FeatureViewDefinition& stored) {
  const json::object mine = given.ToJson(), theirs = stored.ToJson();
  std::string text;
  for (const auto& member : mine) {
    const std::string name(member.key());
    if (const json::value* other = theirs.if_contains(name); other != nullptr) {
      AddDifferences(name, member.value(), *other, &text);
    } else {
      text += (text.empty() ? "" : "\n") + name + ": " + Short(member.value()) + ", not absent";
    }
  }
  return text;
}

}  // namespace

Result<FeatureViewDefinition> FeatureViews::Define(const FeatureViewDefinition& definition) {
  ARROW_RETURN_NOT_OK(CheckName("feature view", definition.name));
  if (definition.version < 1) {
    return Status::Invalid("feature view '", definition.name, "': version ", definition.version,
                           " is not 1 or more");
  }
  const std::string what = "feature view '" + definition.ref().ToText() + "'";
  // The second try is for the race in which another process defines it in between.
  for (int tries = 0; tries < 2; ++tries) {
    FeatureViewDefinition named = definition;
    ARROW_ASSIGN_OR_RAISE(const auto entry, catalog_->Find(Kind::kFeatureView, definition.ref()));
    if (entry) {
      ARROW_ASSIGN_OR_RAISE(const auto stored, FeatureViewDefinition::FromJson(entry->definition));
      ARROW_RETURN_NOT_OK(NameGroupVersions(&stored, tables_, &named));
      const std::string difference = Difference(named, stored);
      if (difference.empty()) return stored;
      return Status::AlreadyExists(what, " is already defined differently (this call, not the ",
                                   "stored):\n", difference,
                                   "\nuse another version, or drop the stored one");
    }
    ARROW_RETURN_NOT_OK(NameGroupVersions(nullptr, tables_, &named));
    ARROW_ASSIGN_OR_RAISE(const auto plan, Resolve(named));
    ARROW_RETURN_NOT_OK(plan->Prepare());
    std::vector<NounRef> groups;
    for (const GroupSelection* selection : Selections(&named)) {
      groups.push_back({Kind::kFeatureGroup, selection->group});
    }
    const Result<CatalogEntry> put =
        catalog_->Put(Kind::kFeatureView, named.ref(), named.ToJson(), groups);
    if (put.ok()) return named;
    if (!put.status().IsAlreadyExists()) return put.status();
  }
  return Status::Cancelled(what, " is being defined and dropped by others at once; try again");
}

Result<FeatureViewDefinition> FeatureViews::Get(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kFeatureView, ref));
  return FeatureViewDefinition::FromJson(entry.definition);
}

Result<std::vector<FeatureViewDefinition>> FeatureViews::List() {
  ARROW_ASSIGN_OR_RAISE(const std::vector<CatalogEntry> entries,
                        catalog_->List(Kind::kFeatureView));
  std::vector<FeatureViewDefinition> views;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(views.emplace_back(), FeatureViewDefinition::FromJson(entry.definition));
  }
  return views;
}

Status FeatureViews::Drop(const Ref& ref) { return catalog_->Drop(Kind::kFeatureView, ref); }

Result<std::shared_ptr<const ViewPlan>> FeatureViews::Resolve(
    const FeatureViewDefinition& definition) {
  return ViewPlan::Make(
      definition, [this](const Ref& group) { return tables_->Definition(group); }, python_);
}

Result<FeatureViews::Kept> FeatureViews::Keep(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const int64_t counter, catalog_->ChangeCounter());
  {
    std::lock_guard lock(mutex_);
    const auto kept = plans_.find(ref);
    if (kept != plans_.end() && kept->second.change_counter == counter) return kept->second;
  }
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, Get(ref));
  Kept kept{.change_counter = counter, .plan = nullptr, .lookup = nullptr};
  ARROW_ASSIGN_OR_RAISE(kept.plan, Resolve(definition));
  kept.lookup = VectorLookup::Make(kept.plan);
  std::lock_guard lock(mutex_);
  plans_[ref] = kept;
  return kept;
}

Result<std::shared_ptr<const ViewPlan>> FeatureViews::Plan(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(Kept kept, Keep(ref));
  return std::move(kept.plan);
}

Result<std::shared_ptr<const VectorLookup>> FeatureViews::Lookup(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(Kept kept, Keep(ref));
  return std::move(kept.lookup);
}

Result<std::shared_ptr<const ViewPlan>> FeatureViews::PlanAt(
    const Ref& ref, const std::map<std::string, int64_t>& pins) {
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, Get(ref));
  return ViewPlan::Make(
      definition,
      [&](const Ref& group) -> Result<FeatureGroupDefinition> {
        const auto pin = pins.find(group.ToText());
        if (pin == pins.end()) return tables_->Definition(group);
        return tables_->DefinitionAt(group, pin->second);
      },
      python_);
}

}  // namespace tercet
