#include "platform/life_sign.h"

#include <filesystem>
#include <system_error>

#include <unistd.h>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {

Result<std::unique_ptr<LifeSign>> LifeSign::Make(const std::string& folder) {
  ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(folder));
  while (true) {
    std::string name = NewUuid();
    std::string path = JoinPath(folder, name);
    Result<FileLock> lock = FileLock::Acquire(path, 0);
    if (!lock.ok() && !lock.status().IsCancelled()) return lock.status();
    // Who buries the dead may have come between the making and the locking of the file.
    if (!lock.ok() || ::access(path.c_str(), F_OK) != 0) continue;
    return std::unique_ptr<LifeSign>(
        new LifeSign(std::move(path), std::move(name), *std::move(lock)));
  }
}

LifeSign::~LifeSign() {
  // What can't be taken away is buried by the next process: nothing was left.
  ::unlink(path_.c_str());
}

Status LifeSign::BuryDead(const std::string& folder,
                          const std::function<Status(const std::string& name)>& bury) {
  std::error_code error;
  std::filesystem::directory_iterator file(folder, error);
  if (error == std::errc::no_such_file_or_directory) return Status::OK();
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string path = file->path().string();
    const Result<FileLock> lock = FileLock::Acquire(path, 0);
    if (lock.status().IsCancelled()) continue;
    ARROW_RETURN_NOT_OK(lock.status());
    ARROW_RETURN_NOT_OK(bury(file->path().filename().string()));
    ::unlink(path.c_str());
  }
  if (error) return Status::IOError("reading '", folder, "': ", error.message());
  return Status::OK();
}

}  // namespace tercet
