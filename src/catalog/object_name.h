#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "catalog/noun.h"

namespace tercet {

/// How people name a noun or one of its columns: "weather@1", "weather" (the newest version),
/// "weather@1.temp", "delay@1@2" (a training dataset), and with a kind before it where several
/// kinds have the name: "model:delay@1".
struct ObjectName {
  std::optional<Kind> kind;
  Ref ref;
  std::string column;  ///< empty: the noun itself

  /// Invalid when malformed.
  static Result<ObjectName> Parse(std::string_view text);
};

struct FoundObject {
  CatalogEntry entry;
  std::string column;  ///< as it was named; whether the noun has it is not checked
};

/// The noun that a text names. KeyError with a suggestion when there is none, Invalid when several
/// kinds have it, naming them.
Result<FoundObject> FindNamed(Catalog* catalog, std::string_view text);

/// Runs, releases and deployments have one version, which nobody writes.
bool HasVersions(Kind kind);
/// "weather@1"; of what has one version just its name.
std::string NounName(Kind kind, const Ref& ref);

}  // namespace tercet
