#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/annotation.h"
#include "catalog/impact.h"
#include "catalog/lineage_graph.h"

namespace tercet {

/// What there is in a project, whose it is, what it is made of, and what needs it. All is taken
/// from what is stored and from the plans that reads are made with; nothing of it is declared.
///
/// `object` names a noun or a column of one: "weather@1", "weather" (the newest version),
/// "weather@1.temp", "delay@1@2" (a training dataset), "model:delay@1" where several kinds have the
/// name. KeyError with a suggestion when there is none, Invalid when several could be meant.
/// Thread-safe.
class Discovery {
 public:
  virtual ~Discovery() = default;

  /// Source → feature group → view → training dataset → model → release → deployment, and runs and
  /// SQL steps that made groups of groups.
  virtual Result<LineageGraph> Lineage(const LineageRequest& request) = 0;
  /// All that depends on the object, and what Tercet refuses because of it.
  virtual Result<ImpactReport> ImpactOf(const std::string& object) = 0;

  /// Sets a noun's description, owner and tags, and the descriptions of its features; the last
  /// writer wins. KeyError for a feature that the noun does not have.
  virtual Result<Annotation> Annotate(const std::string& object,
                                      const AnnotationChange& change) = 0;
  /// What is said of a noun: what its definition says unless it was set later.
  virtual Result<Annotation> GetAnnotation(const std::string& object) = 0;

  /// Nouns and features by words of their names, descriptions, owners, tags and parameters, best
  /// first. `query`: docs/guides/search-and-lineage.md; Invalid, saying where, when it is none.
  virtual Result<std::vector<SearchHit>> Search(const std::string& query, int64_t limit) = 0;
};

}  // namespace tercet
