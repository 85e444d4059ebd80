#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "registry/file_lock.h"

namespace tercet {

/// A file in a folder of a project whose lock says that the process that made it is alive: the
/// kernel lets go of it however that process ends. Others find by it what a killed process left.
class LifeSign {
 public:
  /// Makes the folder, too, when there is none.
  static Result<std::unique_ptr<LifeSign>> Make(const std::string& folder);
  /// Takes the file away: nothing was left.
  ~LifeSign();
  LifeSign(const LifeSign&) = delete;
  LifeSign& operator=(const LifeSign&) = delete;

  /// The file's, which no other has.
  const std::string& name() const { return name_; }

  /// Calls `bury(name)` for each file whose process has ended, and takes the file away when that
  /// succeeds. Of several processes that do so at once one buries each. A folder that is not there
  /// has none.
  static Status BuryDead(const std::string& folder,
                         const std::function<Status(const std::string& name)>& bury);

 private:
  LifeSign(std::string path, std::string name, FileLock lock)
      : path_(std::move(path)), name_(std::move(name)), lock_(std::move(lock)) {}

  const std::string path_, name_;
  const FileLock lock_;
};

}  // namespace tercet
