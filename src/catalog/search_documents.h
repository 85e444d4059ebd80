#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/annotation.h"
#include "catalog/noun.h"

namespace tercet {

/// The words that a noun, or one of its features, is found by.
struct SearchDocument {
  std::string kind;      ///< a noun's, or "feature"
  std::string feature;   ///< empty: the noun itself
  std::string name;
  std::string features;  ///< names of its columns, parameters and metrics
  std::string description, owner;
  std::map<std::string, std::string> tags;
  bool operator==(const SearchDocument&) const = default;
};

/// What the definition itself says of the noun: its description and tags, as far as the kind has
/// them.
Annotation DeclaredIn(const json::object& definition);

/// The columns that a definition names, each once, in its order: of a group those of its schema, of
/// a view those selected and computed, of a dataset its features and labels, of a model its inputs
/// and outputs.
std::vector<std::string> ColumnsIn(Kind kind, const json::object& definition);

/// One document for the noun and one for each of its own features. `said` is all that is said of
/// it. Reads whatever definition the catalog keeps: what is not as expected is left out, since a
/// noun that is found by fewer words is better than one that can't be stored.
std::vector<SearchDocument> DocumentsOf(Kind kind, const Ref& ref, const json::object& definition,
                                        const std::vector<std::string>& columns,
                                        const Annotation& said);

}  // namespace tercet
