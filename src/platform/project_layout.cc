#include "platform/project_layout.h"

#include <filesystem>

#include "base/json.h"
#include "base/time_text.h"

namespace tercet {
namespace {

constexpr int64_t kFormat = 1;

Status CheckFormat(const std::string& path, const std::string& text) {
  const Result<json::object> object = ParseJsonObject(text);
  if (!object.ok()) return Status::IOError("'", path, "' is corrupt: ", object.status().message());
  ARROW_ASSIGN_OR_RAISE(const int64_t format, GetInt(*object, "tercet_project_format"));
  if (format > kFormat) {
    return Status::IOError("project '", path, "' has format ", format,
                           "; this version of Tercet reads formats up to ", kFormat);
  }
  return Status::OK();
}

}  // namespace

Result<ProjectLayout> OpenProjectDirectory(FileSystem* file_system, const std::string& directory,
                                           const Clock* clock) {
  if (directory.empty()) return Status::Invalid("a project's directory must not be empty");
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(directory, error);
  if (error) return Status::IOError("project '", directory, "': ", error.message());
  ProjectLayout layout{.root = absolute.lexically_normal().string()};
  const std::string marker = JoinPath(layout.root, "project.json");
  const auto read_marker = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const std::string text, file_system->ReadFile(marker));
    return CheckFormat(marker, text);
  };
  ARROW_ASSIGN_OR_RAISE(const bool exists, file_system->Exists(marker));
  if (exists) {
    ARROW_RETURN_NOT_OK(read_marker());
    return layout;
  }
  ARROW_RETURN_NOT_OK(file_system->MakeDirectory(layout.root));
  ARROW_ASSIGN_OR_RAISE(const auto entries, file_system->List(layout.root));
  for (const FileInfo& entry : entries) {
    // Another process may be creating the same project right now.
    if (entry.name.starts_with("project.json")) continue;
    ARROW_ASSIGN_OR_RAISE(const bool created, file_system->Exists(marker));
    if (created) break;
    return Status::IOError("directory '", directory,
                           "' is not a Tercet project and not empty (it has '", entry.name,
                           "'); name an empty or new directory");
  }
  const json::object object = {{"tercet_project_format", kFormat},
                               {"created", FormatTime(clock->NowMicros())}};
  const Status put = file_system->PutIfAbsent(marker, ToText(object) + "\n");
  if (!put.ok() && !put.IsAlreadyExists()) return put;
  ARROW_RETURN_NOT_OK(read_marker());
  return layout;
}

}  // namespace tercet
