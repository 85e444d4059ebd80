#include "source/iceberg_paths.h"

#include <filesystem>
#include <utility>

#include "base/file_system.h"
#include "base/inside_folder.h"

namespace tercet {
namespace {

/// "file:///a/b/" → "/a/b", "./b" → "b"; addresses of other kinds stay as they are.
std::string Plain(std::string address) {
  if (address.starts_with("file:")) address.erase(0, sizeof("file:") - 1);
  while (address.starts_with("//")) address.erase(0, 1);
  while (address.starts_with("./")) address.erase(0, 2);
  while (address.size() > 1 && address.ends_with('/')) address.pop_back();
  return address;
}

}  // namespace

IcebergPaths::IcebergPaths(std::string folder, const std::string& location)
    : folder_(std::move(folder)), location_(Plain(location)) {}

Result<std::string> IcebergPaths::Find(const std::string& listed) {
  std::string path = Plain(listed);
  if (!location_.empty() && path.starts_with(location_ + "/")) {
    path = JoinPath(folder_, path.substr(location_.size() + 1));
  }
  if (!path.starts_with('/') || path.find("://") != path.npos) {
    return Status::NotImplemented("'", listed, "' is no file of this machine");
  }
  // A table has many files in few folders; only links have to be followed one by one.
  const std::string folder = std::filesystem::path(path).parent_path().string();
  std::error_code ignored;  // of a file that is not there, which its reader says
  const bool linked = std::filesystem::is_symlink(path, ignored);
  const bool outside = path.find_first_of("*?[") != path.npos ||
                       (!inside_.contains(folder) && !LiesInside(folder, folder_)) ||
                       (linked && !LiesInside(path, folder_));
  if (outside) {
    return Status::NotImplemented("'", listed, "' lies outside the table's folder '", folder_,
                                  "'");
  }
  inside_.insert(folder);
  return path;
}

}  // namespace tercet
