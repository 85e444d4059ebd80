#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// What people say of a noun, or of one of its features. It is no part of the definition: it may
/// change at any time and makes no new version.
struct Annotation {
  std::string description;
  std::string owner;  ///< a person, a team, an address
  std::map<std::string, std::string> tags;
  /// Of a noun with columns: feature → what is said of it. Only those of which something is.
  std::map<std::string, Annotation> features;
  bool empty() const { return description.empty() && owner.empty() && tags.empty(); }
  json::object ToJson() const;
  static Result<Annotation> FromJson(const json::object& object);
  bool operator==(const Annotation&) const = default;
};

/// What to change of an annotation; what is nullopt stays.
struct AnnotationChange {
  std::optional<std::string> description;
  std::optional<std::string> owner;
  std::optional<std::map<std::string, std::string>> tags;  ///< in place of all tags
  std::map<std::string, std::string> features;             ///< feature → its description
  json::object ToJson() const;
  static Result<AnnotationChange> FromJson(const json::object& object);
  /// CapacityError for texts of more than 64 KiB, names of tags of more than 255 bytes, or more
  /// than 256 tags; Invalid for a tag without a name.
  Status Check() const;
};

/// What the last run of a SQL step read, column by column.
struct StepColumns {
  std::string target;       ///< the group that it feeds: "daily@1"
  std::string name;         ///< the step's
  std::string text_sha256;  ///< of the query and of the columns of the groups that it read
  /// Column of the target → columns that it is computed from: ("weather@1", "temp").
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> columns;
  std::vector<std::pair<std::string, std::string>> rows;  ///< that decide which rows there are
};

/// One noun, or one feature of a noun, that a search found.
struct SearchHit {
  std::string kind;     ///< "feature_group", …, or "feature"
  std::string name;     ///< "weather@1"; of a feature, its noun's
  std::string feature;  ///< empty: the noun itself
  std::string description, owner;
  std::map<std::string, std::string> tags;
  std::string snippet;  ///< where it was found, words in [brackets]
  double score = 0;     ///< higher is better; comparable within one answer
  json::object ToJson() const;
  static Result<SearchHit> FromJson(const json::object& object);
};

}  // namespace tercet
