// How a model appears: its files are staged and made durable, renamed to their place, and only
// then named in the catalog. What a crash leaves before that is invisible, and is removed by the
// next registration; one lock file keeps registrations apart, so whatever is there without a
// catalog entry is known to be a leftover.
#include <algorithm>
#include <set>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/name.h"
#include "registry/file_lock.h"
#include "registry/model_path.h"
#include "registry/registry.h"

namespace tercet {
namespace {

constexpr int kLockSeconds = 60;
constexpr int64_t kCopyBytes = 1 << 20;
constexpr std::string_view kStaging = ".staging-";

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

Status CheckModel(const ModelDefinition& model) {
  ARROW_RETURN_NOT_OK(CheckName("model", model.name));
  if (model.version < 0) {
    return Status::Invalid("model '", model.name, "': version ", model.version,
                           " is not 1 or more");
  }
  if (model.signature.inputs == nullptr || model.signature.outputs == nullptr ||
      model.signature.inputs->num_fields() == 0 || model.signature.outputs->num_fields() == 0) {
    return Status::Invalid("model '", model.name,
                           "' has no signature; name the columns that it takes and gives");
  }
  return Status::OK();
}

/// Tidies up after a failure that is returned already: what can't be removed now (the disk may be
/// gone) the next registration removes.
void RemoveLeftover(FileSystem* file_system, const std::string& folder) {
  const Status removed = file_system->RemoveTree(folder);
  if (!removed.ok()) LogWarn(removed.message());
}

std::vector<NounRef> DependenciesOf(const ModelDefinition& model) {
  std::vector<NounRef> needed;
  if (model.view) needed.push_back({Kind::kFeatureView, *model.view});
  if (model.training_dataset) needed.push_back({Kind::kTrainingDataset, *model.training_dataset});
  for (const Ref& part : model.parts) needed.push_back({Kind::kModel, part});
  if (!model.run_id.empty()) needed.push_back({Kind::kRun, {model.run_id, 1}});
  return needed;
}

}  // namespace

struct Registry::Source {
  std::string path;          ///< below the model's folder
  std::string_view bytes;    ///< of a file given as bytes
  std::string copied_from;   ///< of a file on disk
  int64_t size_bytes = 0;
};

Registry::Registry(Catalog* catalog, std::shared_ptr<FileSystem> file_system, std::string root,
                   const Clock* clock)
    : catalog_(catalog),
      file_system_(std::move(file_system)),
      models_(JoinPath(root, "models")),
      clock_(clock) {}

std::string Registry::FolderOf(const Ref& ref) const {
  return JoinPath(JoinPath(models_, ref.name), std::to_string(ref.version));
}

Result<ModelDefinition> Registry::RegisterModel(const ModelDefinition& model,
                                                const std::map<std::string, std::string>& files) {
  std::vector<Source> sources;
  for (const auto& [path, bytes] : files) {
    sources.push_back({path, bytes, "", static_cast<int64_t>(bytes.size())});
  }
  return Register(model, sources);
}

Result<ModelDefinition> Registry::RegisterModelFrom(
    const ModelDefinition& model, const std::map<std::string, std::string>& files) {
  std::vector<Source> sources;
  for (const auto& [path, copied_from] : files) {
    ARROW_ASSIGN_OR_RAISE(const FileInfo info, file_system_->Stat(copied_from));
    if (info.is_directory) {
      return Status::Invalid("model file '", path, "': '", copied_from, "' is a directory");
    }
    sources.push_back({path, {}, copied_from, info.size_bytes});
  }
  return Register(model, sources);
}

Result<ModelDefinition> Registry::Register(ModelDefinition model,
                                           const std::vector<Source>& sources) {
  ARROW_RETURN_NOT_OK(CheckModel(model));
  if (sources.empty()) return Status::Invalid("model '", model.name, "' has no files");
  int64_t bytes = 0;
  for (const Source& source : sources) {
    ARROW_RETURN_NOT_OK(CheckModelPath(source.path));
    bytes += source.size_bytes;
  }
  if (static_cast<int64_t>(sources.size()) > kMaxFiles || bytes > kMaxBytes) {
    return Status::CapacityError("model '", model.name, "' has ", sources.size(), " files of ",
                                 bytes, " bytes; at most ", kMaxFiles, " files of ", kMaxBytes,
                                 " bytes are kept");
  }

  ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(models_));
  ARROW_ASSIGN_OR_RAISE(const FileLock lock,
                        FileLock::Acquire(JoinPath(models_, ".lock"), kLockSeconds));
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> entries, file_system_->List(models_));
  for (const FileInfo& entry : entries) {
    if (entry.name.starts_with(kStaging)) {
      ARROW_RETURN_NOT_OK(file_system_->RemoveTree(JoinPath(models_, entry.name)));
    }
  }
  if (model.version > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto taken, catalog_->Find(Kind::kModel, model.ref()));
    if (taken) return Status::AlreadyExists("model '", model.ref().ToText(), "' exists");
  }

  const std::string staged = JoinPath(models_, std::string(kStaging) + NewUuid());
  model.files.clear();
  Status done = Stage(staged, sources, &model.files);
  if (done.ok()) done = Publish(staged, &model);
  if (!done.ok()) {
    RemoveLeftover(file_system_.get(), staged);
    return Explain(done, "cannot register model '" + model.name + "'");
  }
  return model;
}

Status Registry::Stage(const std::string& folder, const std::vector<Source>& sources,
                       std::map<std::string, std::string>* hashes) {
  std::set<std::string> folders = {folder};
  for (const Source& source : sources) {
    const std::string path = JoinPath(folder, source.path);
    for (std::string parent = ParentOf(path); parent.size() > folder.size();
         parent = ParentOf(parent)) {
      folders.insert(parent);
    }
    ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(ParentOf(path)));
    ARROW_ASSIGN_OR_RAISE(const auto output, file_system_->Create(path));
    if (source.copied_from.empty()) {
      ARROW_RETURN_NOT_OK(output->Write(source.bytes));
    } else {
      ARROW_ASSIGN_OR_RAISE(const auto input, file_system_->OpenMapped(source.copied_from));
      for (;;) {
        ARROW_ASSIGN_OR_RAISE(const auto block, input->Read(kCopyBytes));
        if (block->size() == 0) break;
        ARROW_RETURN_NOT_OK(output->Write(block));
      }
    }
    ARROW_RETURN_NOT_OK(output->Close());
    ARROW_RETURN_NOT_OK(file_system_->SyncFile(path));
    // Of what was written, so that a source that changed meanwhile is no later "corruption".
    ARROW_ASSIGN_OR_RAISE((*hashes)[source.path], Sha256HexOfFile(path));
  }
  for (const std::string& made : folders) {
    ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(made));
  }
  return Status::OK();
}

Status Registry::Publish(const std::string& staged, ModelDefinition* model) {
  if (model->version == 0) {
    ARROW_ASSIGN_OR_RAISE(model->version, catalog_->NextVersion(Kind::kModel, model->name));
  }
  const std::string folder = FolderOf(model->ref());
  const std::string parent = ParentOf(folder);
  ARROW_RETURN_NOT_OK(file_system_->RemoveTree(folder));
  ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(parent));
  ARROW_RETURN_NOT_OK(file_system_->Rename(staged, folder));
  ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(parent));
  ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(models_));
  const Status put =
      catalog_->Put(Kind::kModel, model->ref(), model->ToJson(), DependenciesOf(*model)).status();
  if (put.ok()) return put;
  // A failed commit may still have happened: then the files must stay.
  const auto entry = catalog_->Find(Kind::kModel, model->ref());
  if (entry.ok() && !entry->has_value()) RemoveLeftover(file_system_.get(), folder);
  return put;
}

Result<ModelDefinition> Registry::GetModel(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kModel, ref));
  return ModelDefinition::FromJson(entry.definition);
}

Result<std::vector<ModelDefinition>> Registry::ListModels(const std::optional<std::string>& name) {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kModel, name));
  std::vector<ModelDefinition> models;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(ModelDefinition model, ModelDefinition::FromJson(entry.definition));
    models.push_back(std::move(model));
  }
  return models;
}

Status Registry::DropModel(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kModel, ref));
  // The same lock as registering: the number may be given to a new model explicitly.
  ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(models_));
  ARROW_ASSIGN_OR_RAISE(const FileLock lock,
                        FileLock::Acquire(JoinPath(models_, ".lock"), kLockSeconds));
  ARROW_RETURN_NOT_OK(catalog_->Drop(Kind::kModel, entry.ref));
  return file_system_->RemoveTree(FolderOf(entry.ref));
}

Result<std::string> Registry::ModelDirectory(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, GetModel(ref));
  const std::string folder = FolderOf(model.ref());
  for (const auto& [path, sha256] : model.files) {
    // The catalog is not trusted with paths either: it may have been restored from anywhere.
    ARROW_RETURN_NOT_OK(CheckModelPath(path));
    const std::string file = JoinPath(folder, path);
    const Result<std::string> found = Sha256HexOfFile(file);
    if (!found.ok() || *found != sha256) {
      return Status::IOError("model '", model.ref().ToText(), "': file '", file, "' ",
                             found.ok() ? "differs from what was registered"
                                        : "cannot be read: " + found.status().message());
    }
  }
  return folder;
}

}  // namespace tercet
