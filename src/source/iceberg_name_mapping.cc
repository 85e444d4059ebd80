#include "source/iceberg_name_mapping.h"

#include <algorithm>
#include <exception>
#include <memory>

#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include "base/json.h"

namespace tercet {

Result<IcebergNameMapping> IcebergNameMapping::Parse(std::string_view text) {
  const auto parse = [&]() -> Result<IcebergNameMapping> {
    ARROW_ASSIGN_OR_RAISE(const json::value fields, ParseJson(text));
    if (!fields.is_array()) return Status::Invalid("it is no list");
    IcebergNameMapping mapping;
    for (const json::value& item : fields.as_array()) {
      if (!item.is_object()) return Status::Invalid("a field is no object");
      ARROW_ASSIGN_OR_RAISE(const auto id, FindInt(item.as_object(), "field-id"));
      ARROW_ASSIGN_OR_RAISE(const auto names, FindStrings(item.as_object(), "names"));
      if (!id) continue;  // names that are no column's any more
      for (const std::string& name : names) {
        if (!mapping.ids_.emplace(name, *id).second) {
          return Status::Invalid("it has the name '", name, "' twice");
        }
      }
    }
    return mapping;
  };
  auto mapping = parse();
  if (!mapping.ok()) return Explain(mapping.status(), "schema.name-mapping.default");
  return mapping;
}

Result<std::optional<std::map<int64_t, std::string>>> IcebergNameMapping::NamesIn(
    FileSystem* file_system, const std::string& path, const std::set<int64_t>& expected) const {
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system->OpenMapped(path));
  std::map<int64_t, std::string> names, own;
  try {
    const auto reader = parquet::ParquetFileReader::Open(file);
    const parquet::schema::GroupNode& columns = *reader->metadata()->schema()->group_node();
    for (int i = 0; i < columns.field_count(); ++i) {
      if (columns.field(i)->field_id() >= 0) {
        own[columns.field(i)->field_id()] = columns.field(i)->name();
        continue;
      }
      const auto known = ids_.find(columns.field(i)->name());
      if (known != ids_.end()) names[known->second] = known->first;
    }
  } catch (const std::exception& error) {
    return Status::IOError("Parquet file '", path, "': ", error.what());
  }
  if (own.empty()) return names;
  const auto is_there = [&](int64_t id) { return own.contains(id); };
  if (std::all_of(expected.begin(), expected.end(), is_there)) return std::nullopt;
  return own;
}

}  // namespace tercet
