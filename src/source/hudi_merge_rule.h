#pragma once

#include <string>

#include "base/result.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// What becomes of two records of one key: which of them is the row, or of which its values are.
struct HudiMergeRule {
  /// Values of the record that counts that say nothing: those of the other one stay.
  enum class Silent { kNone, kNulls, kMarker };

  /// The column that says which is the later one; empty: the one that was written last.
  std::string order_by;
  /// Whether the row of a base file may be later than what logs have.
  bool base_may_be_later = true;
  /// Hudi 0.x, whose tables have versions below 8: a record in a log is later than any delete
  /// before it, and a delete than any row of a base file.
  bool deletes_are_unordered = false;
  Silent silent = Silent::kNone;
  std::string marker;  ///< the text or the bytes that are silent
  /// Whether records of logs fill each other; else the base file's row alone fills the last one.
  bool logs_fill = true;
  /// A record is a delete where this column has this text; empty: no column says so.
  std::string delete_column, delete_marker;

  /// What the table's properties say: by event time, by time of commit, or a payload class that
  /// means one of them. NotImplemented for other code of the table's.
  static Result<HudiMergeRule> Of(const HudiTimeline& timeline);
};

}  // namespace tercet
