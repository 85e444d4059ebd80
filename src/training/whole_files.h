#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace tercet {

/// Files that are written under other names and get their own together, when all are whole: what
/// fails in between (a full disk) leaves nothing half written, and files that were there as they
/// were. What a process that was killed left behind is removed by the next one that writes to the
/// same folder: each name is locked (flock) while its file is written, and only names of this form
/// that nobody has locked are looked at.
class WholeFiles {
 public:
  WholeFiles() = default;
  ~WholeFiles();
  WholeFiles(const WholeFiles&) = delete;
  WholeFiles& operator=(const WholeFiles&) = delete;

  /// The name under which to write the file of this path for now: hidden, beside it. There is an
  /// empty file of that name already, unless there can't be one: whoever opens it tells why.
  std::string NameFor(const std::string& path);
  /// Gives all files their own names, durably.
  Status Publish();

 private:
  struct File {
    std::string name;  ///< for now
    std::string path;
    int lock = -1;  ///< the file's descriptor, which holds the lock; -1: it could not be made
  };
  void Clear();

  std::vector<File> files_;
};

}  // namespace tercet
