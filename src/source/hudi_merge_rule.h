#pragma once

#include <string>

#include "base/result.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// Which of two records of one key is the row.
struct HudiMergeRule {
  /// The column that says which is the later one; empty: the one that was written last.
  std::string order_by;
  /// Whether the row of a base file may be later than what logs have.
  bool base_may_be_later = true;
  /// Hudi 0.x, whose tables have versions below 8: a record in a log is later than any delete
  /// before it, and a delete than any row of a base file.
  bool deletes_are_unordered = false;

  /// What the table's properties say: by event time, by time of commit, or a payload class that
  /// means one of them. NotImplemented for other code of the table's.
  static Result<HudiMergeRule> Of(const HudiTimeline& timeline);
};

}  // namespace tercet
