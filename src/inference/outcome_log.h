#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "catalog/trial.h"

namespace tercet {

/// The outcomes of one trial: a file of JSON lines that every process on the project appends to and
/// reads. The first outcome of a request id counts. Not thread-safe.
class OutcomeLog {
 public:
  using Take = std::function<void(int64_t number, double value)>;

  /// `take` is told every outcome once, in the file's order.
  OutcomeLog(std::string path, Take take) : path_(std::move(path)), take_(std::move(take)) {}

  /// Appends those whose request has no outcome yet, as one write, durable when it returns. Answers
  /// how many. The folder must be there.
  Result<int64_t> Append(const std::vector<Outcome>& outcomes);
  /// Reads what was appended since the last call.
  Status Refresh();
  /// Lines that were another outcome of the same request, or damaged by a full disk.
  int64_t ignored() const { return ignored_; }

 private:
  const std::string path_;
  const Take take_;
  int64_t offset_ = 0;  ///< bytes read, up to the end of a line
  std::unordered_set<uint64_t> seen_;  ///< hashes of request ids
  int64_t ignored_ = 0;
};

}  // namespace tercet
