#include "offline/table_folder.h"

#include "offline/deletion_vector.h"

namespace tercet {
namespace {

Status List(FileSystem* file_system, const std::string& table_path, const std::string& folder,
            std::vector<FileInfo>* files) {
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> entries,
                        file_system->List(JoinPath(table_path, folder)));
  for (FileInfo& entry : entries) {
    const std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
    if (entry.is_directory) {
      const bool hidden = entry.name.starts_with('_') || entry.name.starts_with('.');
      if (hidden && path != "_change_data") continue;
      ARROW_RETURN_NOT_OK(List(file_system, table_path, path, files));
    } else {
      entry.name = path;
      files->push_back(std::move(entry));
    }
  }
  return Status::OK();
}

Status AddVector(const std::optional<VectorPointer>& vector, std::set<std::string>* paths) {
  if (!vector || vector->storage_type != "u") return Status::OK();
  ARROW_ASSIGN_OR_RAISE(std::string path, VectorPath(*vector));
  paths->insert(std::move(path));
  return Status::OK();
}

Status AddPath(const std::string& log_path, std::set<std::string>* paths) {
  ARROW_ASSIGN_OR_RAISE(std::string path, DecodeLogPath(log_path));
  paths->insert(std::move(path));
  return Status::OK();
}

}  // namespace

Result<std::vector<FileInfo>> ListTableFiles(FileSystem* file_system,
                                             const std::string& table_path) {
  std::vector<FileInfo> files;
  ARROW_RETURN_NOT_OK(List(file_system, table_path, "", &files));
  return files;
}

Status AddNamedFiles(const std::vector<Action>& actions, bool removed,
                     std::set<std::string>* paths) {
  for (const Action& action : actions) {
    if (const auto* add = std::get_if<AddFile>(&action)) {
      ARROW_RETURN_NOT_OK(AddPath(add->path, paths));
      ARROW_RETURN_NOT_OK(AddVector(add->vector, paths));
    }
    if (const auto* change = std::get_if<ChangeFile>(&action)) {
      ARROW_RETURN_NOT_OK(AddPath(change->path, paths));
    }
    if (const auto* remove = std::get_if<RemoveFile>(&action); removed && remove != nullptr) {
      ARROW_RETURN_NOT_OK(AddPath(remove->path, paths));
      ARROW_RETURN_NOT_OK(AddVector(remove->vector, paths));
    }
  }
  return Status::OK();
}

Status AddLiveFiles(const TableState& state, std::set<std::string>* paths) {
  for (const DataFilePtr& file : state.files.Ordered()) {
    paths->insert(file->path);
    ARROW_RETURN_NOT_OK(AddVector(file->add.vector, paths));
  }
  return Status::OK();
}

}  // namespace tercet
