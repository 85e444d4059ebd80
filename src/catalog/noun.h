#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// What a catalog entry is. The text form ("feature_group") is the same in the catalog, REST,
/// CLI and docs.
enum class Kind {
  kFeatureGroup,
  kFeatureView,
  kTrainingDataset,  ///< named by its view: "delay@1"; its version counts within that view version
  kRun,              ///< named by its id; version 1
  kModel,
  kRelease,          ///< named by its content address; version 1
  kDeployment,       ///< version 1
};

std::string_view KindName(Kind kind);      ///< "feature_group"
std::string_view KindNoun(Kind kind);      ///< "feature group", for messages
Result<Kind> KindFromName(std::string_view name);

/// Names one noun: weather version 1. A version of 0 asks for the newest where a reader allows it.
struct Ref {
  std::string name;
  int64_t version = 0;

  auto operator<=>(const Ref&) const = default;
  /// "weather@1"; for version 0 just "weather".
  std::string ToText() const;
  /// Reads "weather@1" or "weather". Invalid when malformed.
  static Result<Ref> Parse(std::string_view text);
};

struct NounRef {
  Kind kind;
  Ref ref;
  auto operator<=>(const NounRef&) const = default;
  std::string ToText() const;  ///< "feature group 'weather@1'"
};

}  // namespace tercet
