#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tercet {

/// What a person types to find something, read once and free of SQL:
///
///   late flights            all of these words, also as beginnings of longer ones
///   "late flights"          these words in a row
///   flig*                   words that begin so
///   -weather                not this word
///   kind:feature_view       only views; also the other kinds, and "feature"
///   tag:team tag:team=ops   only what has the tag, or the tag with this value
///   owner:anna              only what is hers
///
/// Words are compared without regard to case, accents and English endings; "late_flights" is two.
struct SearchQuery {
  std::string match;  ///< in FTS5's language, every word quoted; empty: filters alone
  std::optional<std::string> kind;
  std::optional<std::string> owner;
  std::vector<std::pair<std::string, std::optional<std::string>>> tags;

  /// Invalid, saying what and where, for a query that says nothing to look for, an open quote, an
  /// unknown filter or kind (with a suggestion); CapacityError beyond 1,000 bytes or 32 words.
  static Result<SearchQuery> Parse(std::string_view text);
};

}  // namespace tercet
