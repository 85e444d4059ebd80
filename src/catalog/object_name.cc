#include "catalog/object_name.h"

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

constexpr Kind kKinds[] = {Kind::kFeatureGroup, Kind::kFeatureView, Kind::kTrainingDataset,
                           Kind::kModel,        Kind::kDeployment,  Kind::kRelease,
                           Kind::kRun};

/// The reference as this kind writes it; nullopt when no noun of the kind can be meant.
std::optional<Ref> RefFor(Kind kind, const ObjectName& name) {
  if (kind == Kind::kTrainingDataset) {
    if (name.ref.name.find('@') != std::string::npos) return name.ref;
    // "training_dataset:delay@1" is the newest of that view.
    if (name.kind && name.ref.version != 0) return Ref{name.ref.ToText(), 0};
    return std::nullopt;
  }
  if (!HasVersions(kind) && name.ref.version > 1) return std::nullopt;
  if (!HasVersions(kind) && !name.kind && name.ref.version != 0) return std::nullopt;
  return name.ref;
}

Status NotFound(Catalog* catalog, const ObjectName& name, std::string_view text) {
  std::vector<std::string> known;
  for (const Kind kind : kKinds) {
    if (kind == Kind::kRun || kind == Kind::kRelease || (name.kind && kind != *name.kind)) continue;
    ARROW_ASSIGN_OR_RAISE(const auto entries, catalog->List(kind));
    for (const CatalogEntry& entry : entries) known.push_back(NounName(kind, entry.ref));
  }
  const std::string wanted = name.ref.ToText();
  return Status::KeyError("there is nothing named '", ShortText(text, 160), "'",
                          Suggest(wanted, known));
}

}  // namespace

bool HasVersions(Kind kind) {
  return kind != Kind::kRun && kind != Kind::kRelease && kind != Kind::kDeployment;
}

std::string NounName(Kind kind, const Ref& ref) {
  return HasVersions(kind) ? ref.ToText() : ref.name;
}

Result<ObjectName> ObjectName::Parse(std::string_view text) {
  ObjectName name;
  std::string_view rest = text;
  const size_t dot = rest.find('.');
  const size_t colon = rest.substr(0, dot).find(':');
  if (colon != std::string_view::npos) {
    ARROW_ASSIGN_OR_RAISE(name.kind, KindFromName(rest.substr(0, colon)));
    rest.remove_prefix(colon + 1);
  }
  const size_t end = rest.find('.');
  if (end != std::string_view::npos) {
    name.column = rest.substr(end + 1);
    if (name.column.empty()) {
      return Status::Invalid("'", ShortText(text, 160), "' ends with '.', where a column's name ",
                             "would stand");
    }
  }
  ARROW_ASSIGN_OR_RAISE(name.ref, Ref::Parse(rest.substr(0, end)));
  return name;
}

Result<FoundObject> FindNamed(Catalog* catalog, std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const ObjectName name, ObjectName::Parse(text));
  std::vector<CatalogEntry> found;
  for (const Kind kind : kKinds) {
    if (name.kind && kind != *name.kind) continue;
    const std::optional<Ref> ref = RefFor(kind, name);
    if (!ref) continue;
    ARROW_ASSIGN_OR_RAISE(std::optional<CatalogEntry> entry, catalog->Find(kind, *ref));
    if (entry) found.push_back(*std::move(entry));
  }
  if (found.empty()) return NotFound(catalog, name, text);
  if (found.size() == 1) return FoundObject{std::move(found.front()), name.column};
  std::string choices;
  for (const CatalogEntry& entry : found) {
    choices += (choices.empty() ? "'" : " or '") + std::string(KindName(entry.kind)) + ":" +
               NounName(entry.kind, entry.ref) +
               (name.column.empty() ? "" : "." + name.column) + "'";
  }
  return Status::Invalid("'", ShortText(text, 160), "' names several; say ", choices);
}

}  // namespace tercet
