#include "source/iceberg_metadata.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include <arrow/util/compression.h>

#include "base/json.h"
#include "base/short_text.h"
#include "source/decompress.h"

namespace tercet {
namespace {

/// Iceberg's summaries keep counts as text.
int64_t CountOf(const json::object& summary, std::string_view name) {
  const auto text = FindString(summary, name);
  int64_t count = 0;
  if (text.ok() && *text) {
    std::from_chars((*text)->data(), (*text)->data() + (*text)->size(), count);
  }
  return count;
}

Result<IcebergSnapshot> SnapshotOf(const json::value& item) {
  if (!item.is_object()) return Status::Invalid("a snapshot must be an object");
  const json::object& object = item.as_object();
  IcebergSnapshot snapshot;
  ARROW_ASSIGN_OR_RAISE(snapshot.id, GetInt(object, "snapshot-id"));
  ARROW_ASSIGN_OR_RAISE(const int64_t time_ms, GetInt(object, "timestamp-ms"));
  if (__builtin_mul_overflow(time_ms, int64_t{1000}, &snapshot.time_us)) {
    return Status::Invalid("snapshot ", snapshot.id, " has a time out of range: ", time_ms, " ms");
  }
  ARROW_ASSIGN_OR_RAISE(snapshot.parent, FindInt(object, "parent-snapshot-id"));
  ARROW_ASSIGN_OR_RAISE(const json::object summary, FindObject(object, "summary"));
  ARROW_ASSIGN_OR_RAISE(const auto operation, FindString(summary, "operation"));
  snapshot.operation = operation.value_or("");
  snapshot.rows_added = CountOf(summary, "added-records");
  snapshot.rows_deleted = CountOf(summary, "deleted-records");
  constexpr char kEqualityDeletes[] = "total-equality-deletes";
  if (summary.contains(kEqualityDeletes)) {
    snapshot.equality_deletes = CountOf(summary, kEqualityDeletes);
  }
  return snapshot;
}

Result<IcebergMetadata> MetadataOf(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  ARROW_RETURN_NOT_OK(GetInt(object, "format-version").status());
  IcebergMetadata metadata;
  ARROW_ASSIGN_OR_RAISE(metadata.current, FindInt(object, "current-snapshot-id"));
  if (metadata.current == -1) metadata.current.reset();  // as the first version writes "none"
  ARROW_ASSIGN_OR_RAISE(const json::array snapshots, FindArray(object, "snapshots"));
  for (const json::value& item : snapshots) {
    ARROW_ASSIGN_OR_RAISE(metadata.snapshots.emplace_back(), SnapshotOf(item));
  }
  return metadata;
}

/// The text of a gzip file.
Result<std::string> Unzip(const std::string& compressed) {
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::GZIP));
  return Decompress(codec.get(), compressed, JsonLimits().max_bytes);
}

bool IsCompressed(std::string_view file) {
  return file.ends_with(".gz.metadata.json") || file.ends_with(".metadata.json.gz");
}

/// The version in the name of a metadata file: "v7.metadata.json" as tables in folders have it, or
/// "00007-….metadata.json" as catalogs name it; nullopt for another file.
std::optional<int64_t> VersionIn(std::string_view name) {
  if (name.find(".metadata.json") == std::string_view::npos) return std::nullopt;
  if (name.starts_with('v')) name.remove_prefix(1);
  int64_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  const bool ends = end != name.data() + name.size() && (*end == '.' || *end == '-');
  if (error != std::errc() || !ends) return std::nullopt;
  return version;
}

/// The newest metadata file of a folder that no hint tells about.
Result<std::string> NewestFile(FileSystem* file_system, const std::string& folder) {
  const std::string metadata = JoinPath(folder, "metadata");
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system->List(metadata));
  int64_t newest = -1;
  std::vector<std::string> named;  // of the newest version
  for (const FileInfo& file : files) {
    const auto version = VersionIn(file.name);
    if (!version || *version < newest) continue;
    if (*version > newest) named.clear();
    newest = *version;
    named.push_back(file.name);
  }
  if (named.empty()) {
    return Status::KeyError("there is no Iceberg table in '", folder,
                            "': it has no metadata/….metadata.json");
  }
  if (named.size() > 1) {
    return Status::Invalid("the Iceberg table in '", folder, "' has ", named.size(),
                           " metadata files of version ", newest, " (", named[0], ", ", named[1],
                           "), of which the table's catalog knows the one that counts: name that "
                           "file instead of the folder");
  }
  return JoinPath(metadata, named[0]);
}

/// The metadata file of a folder, by its version hint.
Result<std::string> HintedFile(FileSystem* file_system, const std::string& folder) {
  const std::string metadata = JoinPath(folder, "metadata");
  const std::string hint = JoinPath(metadata, "version-hint.text");
  ARROW_ASSIGN_OR_RAISE(const bool hinted, file_system->Exists(hint));
  if (!hinted) return NewestFile(file_system, folder);
  ARROW_ASSIGN_OR_RAISE(std::string version, file_system->ReadFile(hint));
  while (!version.empty() && std::isspace(static_cast<unsigned char>(version.back()))) {
    version.pop_back();
  }
  if (version.empty() || version.find('/') != std::string::npos) {
    return Status::Invalid("the version hint of the Iceberg table in '", folder,
                           "' names no version: '", ShortText(version), "'");
  }
  for (const char* ending : {".metadata.json", ".gz.metadata.json", ".metadata.json.gz"}) {
    for (const char* beginning : {"v", ""}) {
      const std::string file = JoinPath(metadata, beginning + version + ending);
      ARROW_ASSIGN_OR_RAISE(const bool exists, file_system->Exists(file));
      if (exists) return file;
    }
  }
  return Status::KeyError("the Iceberg table in '", folder, "' has no metadata file of version ",
                          version, ", which its version hint names");
}

/// Whether a location is a metadata file, not a folder.
bool IsMetadataFile(const std::string& location) {
  return location.ends_with(".json") || location.ends_with(".json.gz");
}

}  // namespace

std::vector<IcebergSnapshot> IcebergMetadata::Ancestry() const {
  std::vector<IcebergSnapshot> ancestry;
  std::optional<int64_t> next = current;
  // No longer than all of them, should parents go in a circle.
  while (next && ancestry.size() < snapshots.size()) {
    const auto found = std::find_if(snapshots.begin(), snapshots.end(),
                                    [&](const IcebergSnapshot& one) { return one.id == *next; });
    if (found == snapshots.end()) break;
    ancestry.push_back(*found);
    next = found->parent;
  }
  std::reverse(ancestry.begin(), ancestry.end());
  return ancestry;
}

std::string IcebergFolder(const std::string& location) {
  if (!IsMetadataFile(location)) return location;
  return std::filesystem::path(location).parent_path().parent_path().string();
}

Result<std::string> ReadIcebergText(FileSystem* file_system, const std::string& file) {
  ARROW_ASSIGN_OR_RAISE(std::string text, file_system->ReadFile(file));
  if (!IsCompressed(file)) return text;
  auto unzipped = Unzip(text);
  if (!unzipped.ok()) return Explain(unzipped.status(), "Iceberg metadata file '" + file + "'");
  return unzipped;
}

Result<IcebergMetadata> ReadIcebergMetadata(FileSystem* file_system, const std::string& location) {
  std::string file = location;
  if (!IsMetadataFile(location)) {
    ARROW_ASSIGN_OR_RAISE(file, HintedFile(file_system, location));
  }
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadIcebergText(file_system, file));
  auto metadata = MetadataOf(text);
  if (!metadata.ok()) return Explain(metadata.status(), "Iceberg metadata file '" + file + "'");
  metadata->file = file;
  return metadata;
}

}  // namespace tercet
