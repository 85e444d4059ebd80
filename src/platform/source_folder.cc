#include "platform/source_folder.h"

#include <algorithm>

#include "base/inside_folder.h"

namespace tercet {

Status CheckSourceFolder(const DataSource& source, const std::vector<std::string>& folders) {
  const bool allowed =
      source.kind == "postgres"
          ? std::find(folders.begin(), folders.end(), source.kind) != folders.end()
          : std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
              return LiesInside(source.location, folder);
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
