#include "platform/project_layout.h"

#include <filesystem>
#include <optional>

#include "base/id.h"
#include "base/json.h"
#include "base/time_text.h"
#include "bucket/bucket_file_system.h"

namespace tercet {
namespace {

constexpr int64_t kFormat = 1;

/// What project.json says.
struct Marker {
  std::string id;        ///< of a project in a bucket, in both of its places
  std::string location;  ///< in a state directory: the bucket's
};

Result<Marker> ParseMarker(const std::string& path, const std::string& text) {
  const Result<json::object> object = ParseJsonObject(text);
  if (!object.ok()) return Status::IOError("'", path, "' is corrupt: ", object.status().message());
  ARROW_ASSIGN_OR_RAISE(const int64_t format, GetInt(*object, "tercet_project_format"));
  if (format > kFormat) {
    return Status::IOError("project '", path, "' has format ", format,
                           "; this version of Tercet reads formats up to ", kFormat);
  }
  Marker marker;
  ARROW_ASSIGN_OR_RAISE(const auto id, FindString(*object, "id"));
  ARROW_ASSIGN_OR_RAISE(const auto location, FindString(*object, "location"));
  marker.id = id.value_or("");
  marker.location = location.value_or("");
  return marker;
}

std::string MarkerText(const Marker& marker, const Clock* clock) {
  json::object object = {{"tercet_project_format", kFormat},
                         {"created", FormatTime(clock->NowMicros())}};
  if (!marker.id.empty()) object["id"] = marker.id;
  if (!marker.location.empty()) object["location"] = marker.location;
  return ToText(object) + "\n";
}

/// The marker of a folder; nullopt when it has none.
Result<std::optional<Marker>> ReadMarker(FileSystem* file_system, const std::string& folder) {
  const std::string path = JoinPath(folder, "project.json");
  const Result<std::string> text = file_system->ReadFile(path);
  if (text.status().IsKeyError()) return std::nullopt;
  ARROW_RETURN_NOT_OK(text);
  ARROW_ASSIGN_OR_RAISE(Marker marker, ParseMarker(path, *text));
  return marker;
}

/// Makes a marker unless another process is first, and returns what is there then. The folder must
/// have nothing else in it; `kept` may be there.
Result<Marker> MakeMarker(FileSystem* file_system, const std::string& folder, const Marker& marker,
                          std::string_view kept, const Clock* clock) {
  ARROW_RETURN_NOT_OK(file_system->MakeDirectory(folder));
  ARROW_ASSIGN_OR_RAISE(const auto entries, file_system->List(folder));
  for (const FileInfo& entry : entries) {
    // Another process may be creating the same project right now.
    if (entry.name.starts_with("project.json") || entry.name == kept) continue;
    ARROW_ASSIGN_OR_RAISE(const auto made, ReadMarker(file_system, folder));
    if (made) return *made;
    return Status::IOError("'", folder, "' is not a Tercet project and not empty (it has '",
                           entry.name, "'); name an empty or new place");
  }
  const std::string path = JoinPath(folder, "project.json");
  const Status put = file_system->PutIfAbsent(path, MarkerText(marker, clock));
  if (!put.ok() && !put.IsAlreadyExists()) return put;
  ARROW_ASSIGN_OR_RAISE(const auto made, ReadMarker(file_system, folder));
  if (!made) return Status::IOError("'", path, "' was removed while the project was made");
  return *made;
}

Result<std::string> Absolute(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(directory, error);
  if (error) return Status::IOError("project '", directory, "': ", error.message());
  return absolute.lexically_normal().string();
}

/// A store that takes no notice of the condition would let one commit overwrite another.
Status CheckConditionalWrites(FileSystem* file_system, const std::string& folder,
                              const Clock* clock) {
  const std::string path = JoinPath(folder, "project.json");
  const Status again = file_system->PutIfAbsent(path, MarkerText({.id = NewUuid()}, clock));
  if (again.IsAlreadyExists()) return Status::OK();
  ARROW_RETURN_NOT_OK(again);
  const Status removed = file_system->Remove(path);
  return Status::IOError("the object store of '", folder, "' takes no notice of If-None-Match, so ",
                         "that writers would overwrite each other's commits; use another",
                         removed.ok() ? "" : " (and remove '" + path + "')");
}

}  // namespace

Result<ProjectLayout> OpenProjectDirectory(const std::shared_ptr<FileSystem>& file_system,
                                           const std::string& directory, const Clock* clock) {
  if (directory.empty()) return Status::Invalid("a project's directory must not be empty");
  ProjectLayout layout;
  ARROW_ASSIGN_OR_RAISE(layout.root, Absolute(directory));
  layout.tables = layout.root;
  layout.file_system = file_system;
  ARROW_ASSIGN_OR_RAISE(auto marker, ReadMarker(file_system.get(), layout.root));
  if (!marker) {
    ARROW_ASSIGN_OR_RAISE(marker, MakeMarker(file_system.get(), layout.root, {}, "", clock));
  }
  if (!marker->location.empty()) {
    return Status::Invalid("directory '", directory, "' keeps the state of project '",
                           marker->location, "': open that, with this as its state");
  }
  return layout;
}

Result<ProjectLayout> OpenProjectBucket(const std::string& location,
                                        const std::string& given_state,
                                        const std::map<std::string, std::string>& storage_options,
                                        const Clock* clock) {
  ARROW_ASSIGN_OR_RAISE(const BucketLocation bucket, BucketLocation::Parse(location));
  const Environment environment = ProcessEnvironment();
  // From the environment too, where `tercet run` leaves it for its steps.
  const std::string state = given_state.empty() ? environment("TERCET_STATE").value_or("")
                                                : given_state;
  if (state.empty()) {
    return Status::Invalid("project '", location, "' needs a local directory for its catalog, its ",
                           "online store and copies of its files: give state=\"DIRECTORY\" ",
                           "(--state, or TERCET_STATE)");
  }
  ARROW_ASSIGN_OR_RAISE(const S3Settings settings,
                        S3Settings::From(storage_options, environment));
  ProjectLayout layout;
  ARROW_ASSIGN_OR_RAISE(layout.root, Absolute(state));
  layout.tables = bucket.ToText();
  const std::shared_ptr<FileSystem> disk = LocalFileSystem();
  ARROW_ASSIGN_OR_RAISE(auto ours, ReadMarker(disk.get(), layout.root));
  if (ours && ours->location != layout.tables) {
    return Status::Invalid("directory '", state, "' can't be the state of project '", location,
                           "': it ", ours->location.empty()
                               ? "is a project of its own"
                               : "keeps the state of '" + ours->location + "'");
  }
  ARROW_ASSIGN_OR_RAISE(layout.file_system,
                        MakeBucketFileSystem(settings, bucket.bucket,
                                             JoinPath(layout.root, "cache"), clock));
  FileSystem* const store = layout.file_system.get();
  ARROW_ASSIGN_OR_RAISE(auto theirs, ReadMarker(store, layout.tables));
  if (!theirs) {
    ARROW_ASSIGN_OR_RAISE(theirs, MakeMarker(store, layout.tables, {.id = NewUuid()}, "", clock));
    ARROW_RETURN_NOT_OK(CheckConditionalWrites(store, layout.tables, clock));
  }
  if (!ours) {
    ARROW_ASSIGN_OR_RAISE(ours, MakeMarker(disk.get(), layout.root,
                                           {.id = theirs->id, .location = layout.tables}, "cache",
                                           clock));
  }
  if (ours->location != layout.tables || ours->id != theirs->id) {
    return Status::Invalid("directory '", state, "' keeps the state of another project that was ",
                           "at '", ours->location, "'; give an empty or new directory");
  }
  return layout;
}

}  // namespace tercet
