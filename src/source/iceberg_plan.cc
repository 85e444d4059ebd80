#include "source/iceberg_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/inside_folder.h"
#include "base/json.h"
#include "source/avro_file.h"
#include "source/iceberg_metadata.h"

namespace tercet {
namespace {

constexpr int64_t kExisting = 0, kAdded = 1, kDeleted = 2;                    // of entries
constexpr int64_t kRows = 0, kPositionDeletes = 1, kEqualityDeletes = 2;  // of files

/// What stands in the manifest list about a manifest.
struct Manifest {
  std::string path;
  int64_t partitioning = 0;
  int64_t sequence = 0;
};

class PlanReader {
 public:
  PlanReader(FileSystem* file_system, const std::string& folder)
      : file_system_(file_system), folder_(folder) {}

  Result<IcebergPlan> Read(const json::object& metadata, int64_t snapshot_id) {
    ARROW_RETURN_NOT_OK(ReadPartitionings(metadata));
    ARROW_ASSIGN_OR_RAISE(const json::object properties, FindObject(metadata, "properties"));
    if (properties.contains("schema.name-mapping.default")) {
      return Status::NotImplemented("its files may have columns without ids "
                                    "(schema.name-mapping.default), which are not read beside "
                                    "deletes by equality");
    }
    ARROW_ASSIGN_OR_RAISE(const IcebergSchemas schemas, ReadIcebergSchemas(metadata));
    ARROW_ASSIGN_OR_RAISE(const json::object snapshot, Snapshot(metadata, snapshot_id));
    ARROW_ASSIGN_OR_RAISE(auto schema_id, FindInt(snapshot, "schema-id"));
    if (!schema_id) {
      ARROW_ASSIGN_OR_RAISE(schema_id, GetInt(metadata, "current-schema-id"));
    }
    const auto schema = schemas.find(*schema_id);
    if (schema == schemas.end()) return Status::Invalid("there is no schema ", *schema_id);
    plan_.columns = schema->second;
    ARROW_ASSIGN_OR_RAISE(const std::string list, GetString(snapshot, "manifest-list"));
    ARROW_ASSIGN_OR_RAISE(const std::string path, LocalPath(list));
    ARROW_RETURN_NOT_OK(ReadList(path));
    ARROW_RETURN_NOT_OK(FindCompared(schemas));
    return std::move(plan_);
  }

 private:
  Status ReadPartitionings(const json::object& metadata) {
    ARROW_ASSIGN_OR_RAISE(const json::array specs, FindArray(metadata, "partition-specs"));
    for (const json::value& item : specs) {
      if (!item.is_object()) return Status::Invalid("a partition spec is no object");
      ARROW_ASSIGN_OR_RAISE(const int64_t id, GetInt(item.as_object(), "spec-id"));
      ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(item.as_object(), "fields"));
      bool global = true;
      for (const json::value& field : fields) {
        if (!field.is_object()) return Status::Invalid("a partition field is no object");
        ARROW_ASSIGN_OR_RAISE(const std::string transform,
                              GetString(field.as_object(), "transform"));
        // What was partitioned by a column that was dropped, is not any more.
        global = global && transform == "void";
      }
      is_global_[id] = global;
    }
    return Status::OK();
  }

  static Result<json::object> Snapshot(const json::object& metadata, int64_t id) {
    ARROW_ASSIGN_OR_RAISE(const json::array snapshots, FindArray(metadata, "snapshots"));
    for (const json::value& item : snapshots) {
      if (!item.is_object()) return Status::Invalid("a snapshot must be an object");
      ARROW_ASSIGN_OR_RAISE(const int64_t other, GetInt(item.as_object(), "snapshot-id"));
      if (other == id) return item.as_object();
    }
    return Status::KeyError("there is no snapshot ", id);
  }

  /// Where a file is that the table names by an address.
  Result<std::string> LocalPath(const std::string& listed) const {
    std::string path = listed;
    if (path.starts_with("file:")) path.erase(0, sizeof("file:") - 1);
    while (path.starts_with("//")) path.erase(0, 1);
    if (!path.starts_with('/') || path.find("://") != path.npos) {
      return Status::NotImplemented("'", listed, "' is no file of this machine");
    }
    if (path.find_first_of("*?[") != path.npos || !LiesInside(path, folder_)) {
      return Status::NotImplemented("'", listed, "' lies outside the table's folder '", folder_,
                                    "'");
    }
    return path;
  }

  Result<std::vector<json::value>> ReadItems(const std::string& path) const {
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, file_system_->ReadFile(path));
    ARROW_ASSIGN_OR_RAISE(auto items, ReadAvroFile(bytes));
    for (const json::value& item : items) {
      if (!item.is_object()) return Status::Invalid("it has items that are no records");
    }
    return items;
  }

  Status ReadList(const std::string& path) {
    const auto read = [&]() -> Result<std::vector<Manifest>> {
      ARROW_ASSIGN_OR_RAISE(const auto items, ReadItems(path));
      std::vector<Manifest> manifests;
      for (const json::value& item : items) {
        const json::object& object = item.as_object();
        Manifest manifest;
        ARROW_ASSIGN_OR_RAISE(const std::string listed, GetString(object, "manifest_path"));
        ARROW_ASSIGN_OR_RAISE(manifest.path, LocalPath(listed));
        ARROW_ASSIGN_OR_RAISE(manifest.partitioning, GetInt(object, "partition_spec_id"));
        ARROW_ASSIGN_OR_RAISE(const auto sequence, FindInt(object, "sequence_number"));
        manifest.sequence = sequence.value_or(0);  // the first version has none
        manifests.push_back(std::move(manifest));
      }
      return manifests;
    }();
    if (!read.ok()) return Explain(read.status(), "Iceberg manifest list '" + path + "'");
    for (const Manifest& manifest : *read) {
      const Status status = ReadManifest(manifest);
      if (!status.ok()) return Explain(status, "Iceberg manifest '" + manifest.path + "'");
    }
    return Status::OK();
  }

  Status ReadManifest(const Manifest& manifest) {
    const auto global = is_global_.find(manifest.partitioning);
    if (global == is_global_.end()) {
      return Status::Invalid("there is no partition spec ", manifest.partitioning);
    }
    ARROW_ASSIGN_OR_RAISE(const auto items, ReadItems(manifest.path));
    for (const json::value& item : items) {
      const json::object& entry = item.as_object();
      ARROW_ASSIGN_OR_RAISE(const int64_t status, GetInt(entry, "status"));
      if (status == kDeleted) continue;
      if (status != kExisting && status != kAdded) {
        return Status::Invalid("an entry has the status ", status);
      }
      ARROW_ASSIGN_OR_RAISE(const auto sequence, FindInt(entry, "sequence_number"));
      IcebergFile file;
      // A new entry doesn't know its number yet: the manifest list says it.
      file.sequence = sequence.value_or(manifest.sequence);
      file.global = global->second;
      ARROW_ASSIGN_OR_RAISE(const json::object described, FindObject(entry, "data_file"));
      ARROW_RETURN_NOT_OK(AddFile(described, manifest.partitioning, std::move(file)));
    }
    return Status::OK();
  }

  Status AddFile(const json::object& described, int64_t partitioning, IcebergFile file) {
    ARROW_ASSIGN_OR_RAISE(file.listed, GetString(described, "file_path"));
    ARROW_ASSIGN_OR_RAISE(file.path, LocalPath(file.listed));
    ARROW_ASSIGN_OR_RAISE(file.row_count, GetInt(described, "record_count"));
    ARROW_ASSIGN_OR_RAISE(const json::object partition, FindObject(described, "partition"));
    const auto key = std::make_pair(partitioning, ToCanonicalText(json::value(partition)));
    file.partition =
        partitions_.emplace(key, static_cast<int64_t>(partitions_.size())).first->second;
    ARROW_ASSIGN_OR_RAISE(const auto content, FindInt(described, "content"));
    ARROW_ASSIGN_OR_RAISE(const std::string format, GetString(described, "file_format"));
    const bool parquet = format == "PARQUET" || format == "parquet";
    const bool puffin = format == "PUFFIN" || format == "puffin";
    if (!parquet && !(puffin && content == kPositionDeletes)) {
      return Status::NotImplemented("'", file.listed, "' is of the format ", format.substr(0, 80),
                                    "; only Parquet is read beside deletes by equality");
    }
    if (content.value_or(kRows) == kRows) {
      plan_.data.push_back(std::move(file));
      return Status::OK();
    }
    if (*content == kPositionDeletes) {
      ARROW_ASSIGN_OR_RAISE(file.referenced, FindString(described, "referenced_data_file"));
      if (puffin) {
        ARROW_ASSIGN_OR_RAISE(file.vector_offset, GetInt(described, "content_offset"));
        ARROW_ASSIGN_OR_RAISE(file.vector_bytes, GetInt(described, "content_size_in_bytes"));
        if (!file.referenced) {
          return Status::Invalid("a deletion vector in '", file.listed, "' is of no file");
        }
      }
      plan_.position_deletes.push_back(std::move(file));
      return Status::OK();
    }
    if (*content != kEqualityDeletes) {
      return Status::Invalid("'", file.listed, "' has the content ", *content);
    }
    ARROW_ASSIGN_OR_RAISE(const json::array ids, FindArray(described, "equality_ids"));
    for (const json::value& id : ids) {
      if (!id.is_int64()) return Status::Invalid("equality_ids has what is no id");
      file.equality_ids.push_back(id.as_int64());
    }
    std::sort(file.equality_ids.begin(), file.equality_ids.end());
    if (file.equality_ids.empty()) {
      return Status::Invalid("'", file.listed, "' deletes by no columns");
    }
    plan_.equality_deletes.push_back(std::move(file));
    return Status::OK();
  }

  /// The columns that deletes compare, as they are now or were last.
  Status FindCompared(const IcebergSchemas& schemas) {
    std::map<int64_t, const IcebergColumn*> known;
    for (const auto& [id, columns] : schemas) {
      for (const IcebergColumn& column : columns) known[column.id] = &column;
    }
    for (const IcebergColumn& column : plan_.columns) known[column.id] = &column;
    std::set<int64_t> wanted;
    for (const IcebergFile& file : plan_.equality_deletes) {
      wanted.insert(file.equality_ids.begin(), file.equality_ids.end());
    }
    for (const int64_t id : wanted) {
      const auto found = known.find(id);
      if (found == known.end()) {
        return Status::NotImplemented("it has deletes by the field ", id,
                                      ", which is nested in a column or in no schema");
      }
      plan_.compared.push_back(*found->second);
    }
    return Status::OK();
  }

  FileSystem* const file_system_;
  const std::string folder_;
  std::map<int64_t, bool> is_global_;  // by partition spec
  std::map<std::pair<int64_t, std::string>, int64_t> partitions_;
  IcebergPlan plan_;
};

}  // namespace

Result<IcebergPlan> ReadIcebergPlan(FileSystem* file_system, const std::string& metadata_file,
                                    int64_t snapshot) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadIcebergText(file_system, metadata_file));
  auto plan = [&]() -> Result<IcebergPlan> {
    ARROW_ASSIGN_OR_RAISE(const json::object metadata, ParseJsonObject(text));
    return PlanReader(file_system, IcebergFolder(metadata_file)).Read(metadata, snapshot);
  }();
  if (!plan.ok()) {
    return Explain(plan.status(), "Iceberg snapshot " + std::to_string(snapshot) + " of '" +
                                      metadata_file + "'");
  }
  return plan;
}

}  // namespace tercet
