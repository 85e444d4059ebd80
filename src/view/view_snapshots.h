#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

  /// The group's commits up to the one that is read, oldest first; found once.
  Result<std::vector<Commit>> Commits(const FeatureGroupDefinition& group);
  /// The group as of an earlier commit.
  Result<std::shared_ptr<Snapshot>> At(const FeatureGroupDefinition& group, int64_t version);

  /// The newest event time of all rows of the group; nullopt when it has none. Found once.
  Result<std::optional<int64_t>> NewestTime(const FeatureGroupDefinition& group);

  /// Those that were read.
  const std::map<std::string, int64_t>& pins() const { return pins_; }

 private:
  FeatureTables* const tables_;
  const std::map<std::string, int64_t> wanted_;
  std::map<std::string, int64_t> pins_;
  std::map<std::string, std::shared_ptr<Snapshot>> snapshots_;
  std::map<std::string, std::optional<int64_t>> newest_times_;
  std::map<std::string, std::vector<Commit>> commits_;
};

}  // namespace tercet
