#include "platform/source_folder.h"

#include <algorithm>
#include <filesystem>

namespace tercet {
namespace {

/// Whether a path that may have wildcards in its last parts lies in a folder. Its parts before the
/// first wildcard are followed through links, so that none leads out.
bool LiesIn(const std::string& location, const std::string& folder) {
  std::error_code error;
  const std::filesystem::path home = std::filesystem::canonical(folder, error);
  if (error) return false;
  const std::string plain = location.substr(0, location.find_first_of("*?["));
  std::filesystem::path path = plain;
  // "/data/da*": what stands before the wildcard in its own part is no folder.
  if (plain.size() < location.size()) path = path.parent_path();
  path = std::filesystem::weakly_canonical(path, error);
  if (error || !path.is_absolute()) return false;
  const auto [end, ignored] = std::mismatch(home.begin(), home.end(), path.begin(), path.end());
  if (end != home.end()) return false;
  // Behind a wildcard nothing may step up again.
  return location.find("..") == std::string::npos;
}

}  // namespace

Status CheckSourceFolder(const DataSource& source, const std::vector<std::string>& folders) {
  const bool allowed =
      source.kind == "postgres"
          ? std::find(folders.begin(), folders.end(), source.kind) != folders.end()
          : std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
              return LiesIn(source.location, folder);
            });
  if (allowed) return Status::OK();
  std::string list;
  for (const std::string& folder : folders) list += (list.empty() ? "" : ", ") + folder;
  return Status::NotImplemented(
      "the source ", source.ToText(), " is not among those that this server may read (",
      list.empty() ? "none" : list, "); start it with --allow-source FOLDER",
      source.kind == "postgres" ? ", or --allow-source postgres" : "");
}

}  // namespace tercet
