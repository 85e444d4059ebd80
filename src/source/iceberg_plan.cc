#include "source/iceberg_plan.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/parallel.h"
#include "base/short_text.h"
#include "source/avro_file.h"
#include "source/iceberg_metadata.h"
#include "source/iceberg_name_mapping.h"
#include "source/iceberg_paths.h"

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

/// A partition spec.
struct Partitioning {
  bool global = true;  ///< it partitions by nothing
  /// What partitions by a column's very value, by its name in partitions.
  std::map<std::string, int64_t> identities;
};

/// The time in a bound, as files' bounds have it: a little-endian number of microseconds.
std::optional<int64_t> BoundOf(const json::object& file, const char* which, int64_t column) {
  const json::value* bounds = file.if_contains(which);
  if (bounds == nullptr || !bounds->is_array()) return std::nullopt;
  for (const json::value& item : bounds->as_array()) {
    if (!item.is_object()) continue;
    const auto id = FindInt(item.as_object(), "key");
    const auto bytes = FindString(item.as_object(), "value");
    int64_t time_us = 0;
    if (!id.ok() || *id != column || !bytes.ok() || !*bytes ||
        (*bytes)->size() != sizeof(time_us)) {
      continue;
    }
    std::memcpy(&time_us, (*bytes)->data(), sizeof(time_us));
    return time_us;
  }
  return std::nullopt;
}

Result<IcebergFile::Format> FormatOf(const std::string& listed, std::string name) {
  using Format = IcebergFile::Format;
  static const std::map<std::string, Format> formats = {{"PARQUET", Format::kParquet},
                                                        {"AVRO", Format::kAvro},
                                                        {"ORC", Format::kOrc},
                                                        {"PUFFIN", Format::kPuffin}};
  for (char& letter : name) letter = static_cast<char>(std::toupper(letter & 0x7F));
  const auto known = formats.find(name);
  if (known != formats.end()) return known->second;
  return Status::NotImplemented("'", listed, "' is of the format ", ShortText(name),
                                "; only Parquet, Avro and ORC are read");
}

class PlanReader {
 public:
  PlanReader(FileSystem* file_system, const std::string& folder, const std::string& location)
      : file_system_(file_system), paths_(folder, location) {}

  Result<IcebergPlan> Read(const json::object& metadata, std::optional<int64_t> snapshot_id,
                           const std::string& event_time) {
    ARROW_ASSIGN_OR_RAISE(const IcebergSchemas schemas, ReadIcebergSchemas(metadata));
    json::object snapshot;
    if (snapshot_id) {
      ARROW_ASSIGN_OR_RAISE(snapshot, Snapshot(metadata, *snapshot_id));
    }
    ARROW_ASSIGN_OR_RAISE(auto schema_id, FindInt(snapshot, "schema-id"));
    if (!schema_id) {
      ARROW_ASSIGN_OR_RAISE(schema_id, FindInt(metadata, "current-schema-id"));
    }
    const auto schema = schemas.find(schema_id.value_or(0));
    if (schema == schemas.end()) return Status::Invalid("there is no schema ", *schema_id);
    plan_.columns = schema->second;
    if (!snapshot_id) return std::move(plan_);
    for (const IcebergColumn& column : plan_.columns) {
      const bool is_time = column.type.starts_with("TIMESTAMP") && column.type != "TIMESTAMP_NS";
      if (column.name == event_time && is_time) time_id_ = column.id;
    }
    ARROW_RETURN_NOT_OK(ReadPartitionings(metadata));
    ARROW_ASSIGN_OR_RAISE(const json::object properties, FindObject(metadata, "properties"));
    ARROW_ASSIGN_OR_RAISE(const auto mapping,
                          FindString(properties, "schema.name-mapping.default"));
    if (mapping) {
      ARROW_ASSIGN_OR_RAISE(mapping_, IcebergNameMapping::Parse(*mapping));
    }
    if (mapping_) {
      plan_.names = mapping_->ids();
    } else {
      for (const IcebergColumn& column : plan_.columns) plan_.names[column.name] = column.id;
    }
    if (!snapshot.contains("manifest-list")) {
      return Status::NotImplemented("it names its manifests one by one, as Iceberg did until 2020");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string list, GetString(snapshot, "manifest-list"));
    ARROW_ASSIGN_OR_RAISE(const std::string path, paths_.Find(list));
    ARROW_RETURN_NOT_OK(ReadList(path));
    ARROW_RETURN_NOT_OK(FindCompared(schemas));
    ARROW_RETURN_NOT_OK(FindNames());
    return std::move(plan_);
  }

 private:
  Status ReadPartitionings(const json::object& metadata) {
    ARROW_ASSIGN_OR_RAISE(const json::array specs, FindArray(metadata, "partition-specs"));
    if (specs.empty()) {  // the first format's, beside or instead of these
      ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(metadata, "partition-spec"));
      return AddPartitioning(0, fields);
    }
    for (const json::value& item : specs) {
      if (!item.is_object()) return Status::Invalid("a partition spec is no object");
      ARROW_ASSIGN_OR_RAISE(const int64_t id, GetInt(item.as_object(), "spec-id"));
      ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(item.as_object(), "fields"));
      ARROW_RETURN_NOT_OK(AddPartitioning(id, fields));
    }
    return Status::OK();
  }

  Status AddPartitioning(int64_t id, const json::array& fields) {
    Partitioning& partitioning = partitionings_[id];
    for (const json::value& item : fields) {
      if (!item.is_object()) return Status::Invalid("a partition field is no object");
      const json::object& field = item.as_object();
      ARROW_ASSIGN_OR_RAISE(const std::string transform, GetString(field, "transform"));
      // What was partitioned by a column that was dropped, is not any more.
      partitioning.global = partitioning.global && transform == "void";
      if (transform != "identity") continue;
      ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field, "name"));
      ARROW_ASSIGN_OR_RAISE(partitioning.identities[name], GetInt(field, "source-id"));
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
        ARROW_ASSIGN_OR_RAISE(manifest.path, paths_.Find(listed));
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
    const auto partitioning = partitionings_.find(manifest.partitioning);
    if (partitioning == partitionings_.end()) {
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
      file.global = partitioning->second.global;
      const json::value* described = entry.if_contains("data_file");
      if (described == nullptr || !described->is_object()) {
        return Status::Invalid("an entry is of no file");
      }
      ARROW_RETURN_NOT_OK(
          AddFile(described->as_object(), manifest.partitioning, std::move(file)));
    }
    return Status::OK();
  }

  Status AddFile(const json::object& described, int64_t partitioning, IcebergFile file) {
    ARROW_ASSIGN_OR_RAISE(file.listed, GetString(described, "file_path"));
    ARROW_ASSIGN_OR_RAISE(file.path, paths_.Find(file.listed));
    ARROW_ASSIGN_OR_RAISE(file.row_count, GetInt(described, "record_count"));
    ARROW_ASSIGN_OR_RAISE(const json::object partition, FindObject(described, "partition"));
    const auto key = std::make_pair(partitioning, ToCanonicalText(json::value(partition)));
    file.partition =
        partitions_.emplace(key, static_cast<int64_t>(partitions_.size())).first->second;
    ARROW_ASSIGN_OR_RAISE(const auto content, FindInt(described, "content"));
    ARROW_ASSIGN_OR_RAISE(const std::string format, GetString(described, "file_format"));
    ARROW_ASSIGN_OR_RAISE(file.format, FormatOf(file.listed, format));
    const bool puffin = file.format == IcebergFile::Format::kPuffin;
    if (puffin && content != kPositionDeletes) {
      return Status::Invalid("'", file.listed, "' is of the format PUFFIN, but no deletion vector");
    }
    if (content.value_or(kRows) == kRows) {
      if (time_id_) {
        file.first_us = BoundOf(described, "lower_bounds", *time_id_);
        file.last_us = BoundOf(described, "upper_bounds", *time_id_);
      }
      AddPartitionValues(partition, partitioning, &file);
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

  /// What a file may say by its place alone: one that was in a folder before it was a table's, and
  /// one of a writer that leaves out what partitions tell.
  void AddPartitionValues(const json::object& partition, int64_t partitioning,
                          IcebergFile* file) const {
    for (const auto& [name, column] : partitionings_.at(partitioning).identities) {
      const json::value* value = partition.if_contains(name);
      if (value == nullptr) continue;
      std::optional<std::string>& text = file->partition_values[column];
      if (value->is_string()) {
        text = std::string(value->as_string());
      } else if (!value->is_null()) {
        text = ToText(*value);
      }
    }
  }

  Result<std::optional<std::map<int64_t, std::string>>> NamesIn(const IcebergFile& file) const {
    const IcebergNameMapping none;
    return (mapping_ ? *mapping_ : none).NamesIn(file_system_, file.path, PlacedIn(file));
  }

  static std::set<int64_t> PlacedIn(const IcebergFile& file) {
    std::set<int64_t> columns;
    for (const auto& [column, value] : file.partition_values) columns.insert(column);
    return columns;
  }

  /// The names of columns in files that have no ids, or lack what their partition tells. Each is
  /// opened: nothing else tells; but where files have ids, of those of a partitioning the first
  /// one, for a writer leaves such columns out of all or of none.
  Status FindNames() {
    std::vector<IcebergFile*> asked;
    std::map<std::set<int64_t>, bool> left_out;  // by the columns that partitions tell
    for (IcebergFile& file : plan_.data) {
      // Of others their reader tells, as it reads them.
      if (file.format != IcebergFile::Format::kParquet) continue;
      if (!mapping_) {
        if (file.partition_values.empty()) continue;
        const auto [found, is_first] = left_out.try_emplace(PlacedIn(file), false);
        if (is_first) {
          ARROW_ASSIGN_OR_RAISE(const auto names, NamesIn(file));
          found->second = names && !names->empty();
        }
        if (!found->second) {
          file.partition_values.clear();
          continue;
        }
      }
      asked.push_back(&file);
    }
    return ParallelFor(static_cast<int64_t>(asked.size()), [&](int64_t i) -> Status {
      IcebergFile& file = *asked[static_cast<size_t>(i)];
      ARROW_ASSIGN_OR_RAISE(file.names, NamesIn(file));
      const auto is_known = [&](const auto& value) {
        return !file.names || file.names->contains(value.first);
      };
      std::erase_if(file.partition_values, is_known);
      return Status::OK();
    });
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
  IcebergPaths paths_;
  std::optional<IcebergNameMapping> mapping_;
  std::optional<int64_t> time_id_;  // of the event time
  std::map<int64_t, Partitioning> partitionings_;
  std::map<std::pair<int64_t, std::string>, int64_t> partitions_;
  IcebergPlan plan_;
};

}  // namespace

Result<IcebergPlan> ReadIcebergPlan(FileSystem* file_system, const std::string& metadata_file,
                                    std::optional<int64_t> snapshot,
                                    const std::string& event_time) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadIcebergText(file_system, metadata_file));
  auto plan = [&]() -> Result<IcebergPlan> {
    ARROW_ASSIGN_OR_RAISE(const json::object metadata, ParseJsonObject(text));
    ARROW_ASSIGN_OR_RAISE(const auto location, FindString(metadata, "location"));
    return PlanReader(file_system, IcebergFolder(metadata_file), location.value_or(""))
        .Read(metadata, snapshot, event_time);
  }();
  if (plan.ok()) return plan;
  return Explain(plan.status(),
                 (snapshot ? "Iceberg snapshot " + std::to_string(*snapshot) + " of '"
                           : "Iceberg metadata file '") +
                     metadata_file + "'");
}

}  // namespace tercet
