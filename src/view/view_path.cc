#include "view/view_path.h"

#include <algorithm>

#include "base/name.h"
#include "base/time_text.h"

namespace tercet {
namespace {

/// The joins of this name, by number.
std::vector<int> JoinsNamed(const FeatureViewDefinition& definition, const std::string& name) {
  std::vector<int> found;
  for (size_t i = 0; i < definition.joins.size(); ++i) {
    if (definition.joins[i].name() == name) found.push_back(static_cast<int>(i) + 1);
  }
  return found;
}

/// The way back from a join to the root, or to a join that was passed already: "a, from b, from a".
/// Sets `cycle` then.
std::string WayBack(const FeatureViewDefinition& definition, size_t join, bool* cycle) {
  std::string text = "'" + definition.joins[join].name() + "'";
  std::vector<size_t> passed{join};
  while (!definition.joins[join].from.empty()) {
    const std::vector<int> next = JoinsNamed(definition, definition.joins[join].from);
    if (next.size() != 1) return text;
    join = static_cast<size_t>(next[0]) - 1;
    text += " from '" + definition.joins[join].name() + "'";
    *cycle = std::find(passed.begin(), passed.end(), join) != passed.end();
    if (*cycle) return text;
    passed.push_back(join);
  }
  return text;
}

}  // namespace

Result<std::vector<int>> JoinSources(const FeatureViewDefinition& definition) {
  const GroupSelection& root = definition.root;
  if (root.lag_us != 0 || root.horizon_us || !root.from.empty() || root.through) {
    return Status::Invalid("the root '", root.group.name, "' has a ",
                           root.lag_us != 0    ? "lag"
                           : root.horizon_us   ? "horizon"
                           : root.from.empty() ? "'through'"
                                               : "'from'",
                           ", which only a join can have");
  }
  std::vector<int> sources;
  for (size_t i = 0; i < definition.joins.size(); ++i) {
    const GroupSelection& join = definition.joins[i];
    const std::string what = "the join of '" + join.group.ToText() + "'";
    const std::vector<int> found = JoinsNamed(definition, join.from);
    if (join.from.empty() || (found.empty() && join.from == root.group.name)) {
      sources.push_back(0);
      continue;
    }
    if (found.empty()) {
      std::vector<std::string> known{root.group.name};
      for (const GroupSelection& other : definition.joins) {
        if (&other != &join) known.push_back(other.name());
      }
      return Status::KeyError(what, " comes from '", join.from,
                              "', which is neither the root nor a join",
                              Suggest(join.from, known));
    }
    if (found.size() > 1) {
      return Status::Invalid(what, " comes from '", join.from, "', which stands for ",
                             found.size(), " joins; give each of them a prefix of its own, such ",
                             "as '", join.from, "_'");
    }
    if (found[0] > static_cast<int>(i)) {
      bool cycle = false;
      const std::string way = WayBack(definition, i, &cycle);
      if (cycle) {
        return Status::Invalid("joins come from each other: ", way,
                               "; one of them must come from the root");
      }
      return Status::Invalid(what, " comes from '", join.from, "', which is joined after it; put '",
                             join.from, "' first");
    }
    sources.push_back(found[0]);
  }
  return sources;
}

Status GiveKey(const std::string& column, ViewGroup* source) {
  const FeatureGroupDefinition& group = source->definition;
  if (source->horizon_us) {
    return Status::Invalid("'", column, "' of '", group.name, "' is read ",
                           FormatDuration(*source->horizon_us),
                           " after the left row's time, so no key can come from it");
  }
  if (column == group.event_time) {
    return Status::Invalid("'", column, "' is the event time of the row of '", group.name,
                           "' that is found, which can't be a key");
  }
  if (group.schema->GetFieldByName(column) == nullptr) {
    return Status::KeyError("'", group.ref().ToText(), "' has no column '", column, "'",
                            Suggest(column, group.schema->field_names()));
  }
  const std::vector<std::string>* const read[] = {&group.primary_key, &source->features,
                                                  &source->keys_given};
  for (const std::vector<std::string>* known : read) {
    if (std::find(known->begin(), known->end(), column) != known->end()) return Status::OK();
  }
  source->keys_given.push_back(column);
  return Status::OK();
}

Status CheckTimes(const ViewGroup& group) {
  if (!group.moved()) return Status::OK();
  const std::string name = "'" + group.definition.ref().ToText() + "'";
  if (group.definition.event_time.empty()) {
    return Status::Invalid(name, " has no event time that a ", group.horizon_us ? "horizon" : "lag",
                           " could be counted from");
  }
  if (group.ttl_us && *group.ttl_us < group.lag_us) {
    return Status::Invalid("no row of ", name, " would ever be seen: its lag of ",
                           FormatDuration(group.lag_us), " is longer than its TTL of ",
                           FormatDuration(*group.ttl_us), "; give the join a longer 'ttl'");
  }
  return Status::OK();
}

std::optional<int64_t> ViewGroup::TimeOf(int64_t time_us) const {
  int64_t moved_us = 0;
  if (__builtin_add_overflow(time_us, horizon_us.value_or(-lag_us), &moved_us)) return std::nullopt;
  return moved_us;
}

std::optional<int64_t> ViewGroup::TtlOf() const {
  if (!ttl_us) return std::nullopt;
  return *ttl_us - lag_us;
}

}  // namespace tercet
