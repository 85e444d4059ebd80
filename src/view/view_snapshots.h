#pragma once

#include <map>
#include <memory>
#include <string>

#include "offline/feature_tables.h"
#include "view/view_plan.h"

namespace tercet {

/// The commits that one read of a view sees: a group that is read twice is read as of one commit.
class ViewSnapshots {
 public:
  /// `pins`: group ("weather@1") → version; a group that is not named there is read at its head.
  ViewSnapshots(FeatureTables* tables, const std::map<std::string, int64_t>& pins)
      : tables_(tables), wanted_(pins) {}

  Result<std::shared_ptr<Snapshot>> Get(const FeatureGroupDefinition& group);

  /// Those that were read.
  const std::map<std::string, int64_t>& pins() const { return pins_; }

 private:
  FeatureTables* const tables_;
  const std::map<std::string, int64_t> wanted_;
  std::map<std::string, int64_t> pins_;
  std::map<std::string, std::shared_ptr<Snapshot>> snapshots_;
};

}  // namespace tercet
