#include "training/dataset_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <parquet/arrow/reader.h>

#include "base/name.h"
#include "training/canonical_table.h"
#include "training/part_maker.h"
#include "training/row_files.h"
#include "training/table_store.h"

namespace tercet {
namespace {

constexpr const char* kManifest = "dataset.json";

std::string FileOf(const std::string& directory, const std::string& part,
                   const std::string& format) {
  return (std::filesystem::path(directory) / (part + "." + format)).string();
}

/// A part's four tables by name, in the order of its content address.
template <typename Part>
auto TablesOf(Part& part) {
  using Table = std::conditional_t<std::is_const_v<Part>, const std::shared_ptr<arrow::Table>,
                                   std::shared_ptr<arrow::Table>>;
  return std::vector<std::pair<std::string, Table*>>{{"keys", &part.keys},
                                                     {"features", &part.features},
                                                     {"labels", &part.labels},
                                                     {"helpers", &part.helpers}};
}

/// All columns side by side, and which is what: [{"table", "name", "column"} …].
std::shared_ptr<arrow::Table> SideBySide(const TrainingPart& part, json::array* what) {
  std::map<std::string, int> uses;
  for (const auto& [name, table] : TablesOf(part)) {
    for (const auto& field : (*table)->schema()->fields()) ++uses[field->name()];
  }
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  what->clear();
  for (const auto& [name, table] : TablesOf(part)) {
    for (int k = 0; k < (*table)->num_columns(); ++k) {
      const auto& field = (*table)->field(k);
      const bool shared = uses[field->name()] > 1 && name != "features";
      const std::string column = shared ? name + "." + field->name() : field->name();
      what->push_back(json::object{{"table", name}, {"name", field->name()}, {"column", column}});
      fields.push_back(field->WithName(column));
      columns.push_back((*table)->column(k));
    }
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                            part.features->num_rows());
}

Status WriteText(const std::string& text, const std::string& name, const std::string& path) {
  std::ofstream file(name, std::ios::binary | std::ios::trunc);
  file << text << "\n";
  file.close();
  return file ? Status::OK() : Status::IOError("cannot write '", path, "'");
}

Result<std::shared_ptr<arrow::Table>> ReadTable(const std::string& path,
                                                const std::string& format) {
  ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::ReadableFile::Open(path));
  if (format == "arrow") {
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
    return reader->ToTable();
  }
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        parquet::arrow::OpenFile(file, arrow::default_memory_pool()));
  return reader->ReadTable();
}

/// The part's tables out of a file's columns.
Result<TrainingPart> PartOf(const std::string& name, const arrow::Table& whole,
                            const json::array& what) {
  TrainingPart part;
  part.name = name;
  for (const auto& [table_name, table] : TablesOf(part)) {
    arrow::FieldVector fields;
    arrow::ChunkedArrayVector columns;
    for (const json::value& item : what) {
      const json::object* entry = item.if_object();
      if (entry == nullptr) return Status::IOError("dataset.json has a column that is no object");
      ARROW_ASSIGN_OR_RAISE(const std::string of, GetString(*entry, "table"));
      if (of != table_name) continue;
      ARROW_ASSIGN_OR_RAISE(const std::string column, GetString(*entry, "column"));
      ARROW_ASSIGN_OR_RAISE(const std::string original, GetString(*entry, "name"));
      const auto values = whole.GetColumnByName(column);
      if (values == nullptr) {
        return Status::IOError("part '", name, "' lacks column '", column, "'");
      }
      fields.push_back(arrow::field(original, values->type()));
      columns.push_back(values);
    }
    const auto loose = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                                          whole.num_rows());
    ARROW_ASSIGN_OR_RAISE(*table, CanonicalTable(*loose));
  }
  return part;
}

/// Appends the members that differ; lists are compared whole.
void Diff(const std::string& path, const json::value* left, const json::value* right,
          json::array* out) {
  if (left != nullptr && right != nullptr && *left == *right) return;
  const json::object* a = left == nullptr ? nullptr : left->if_object();
  const json::object* b = right == nullptr ? nullptr : right->if_object();
  if (a != nullptr && b != nullptr) {
    const std::string begin = path.empty() ? "" : path + ".";
    for (const auto& [key, value] : *a) {
      Diff(begin + std::string(key), &value, b->if_contains(key), out);
    }
    for (const auto& [key, value] : *b) {
      if (!a->contains(key)) Diff(begin + std::string(key), nullptr, &value, out);
    }
    return;
  }
  const json::array* first = left == nullptr ? nullptr : left->if_array();
  const json::array* second = right == nullptr ? nullptr : right->if_array();
  if (first != nullptr && second != nullptr && first->size() == second->size()) {
    for (size_t k = 0; k < first->size(); ++k) {
      Diff(path + "[" + std::to_string(k) + "]", &(*first)[k], &(*second)[k], out);
    }
    return;
  }
  out->push_back(json::object{{"path", path},
                              {"left", left == nullptr ? json::value(nullptr) : *left},
                              {"right", right == nullptr ? json::value(nullptr) : *right}});
}

}  // namespace

Status SaveDataset(const TrainingDataset& dataset, const std::string& directory,
                   const std::string& format) {
  ARROW_RETURN_NOT_OK(CheckRowFormat(format));
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return Status::IOError("cannot make the folder '", directory, "': ", failed.message());
  }
  json::array parts, columns;
  WholeFiles files, manifest_file;
  for (const TrainingPart& part : dataset.parts) {
    const std::string path = FileOf(directory, part.name, format);
    arrow::TableBatchReader rows(SideBySide(part, &columns));
    rows.set_chunksize(kStoredRows);
    ARROW_RETURN_NOT_OK(WriteRows(&rows, format, files.NameFor(path), path));
    parts.emplace_back(part.name);
  }
  const json::object manifest{{"format", format},
                              {"parts", std::move(parts)},
                              {"columns", std::move(columns)},
                              {"definition", dataset.definition.ToJson()}};
  const std::string path = (std::filesystem::path(directory) / kManifest).string();
  ARROW_RETURN_NOT_OK(WriteText(ToText(manifest), manifest_file.NameFor(path), path));
  // Parts of two datasets are never there beside one's manifest.
  std::filesystem::remove(path, failed);
  if (failed) return Status::IOError("cannot replace '", path, "': ", failed.message());
  ARROW_RETURN_NOT_OK(files.Publish());
  return manifest_file.Publish();
}

Result<TrainingDataset> LoadDataset(const std::string& directory) {
  const std::string path = (std::filesystem::path(directory) / kManifest).string();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status::KeyError("there is no training dataset in '", directory, "': no ", path);
  }
  std::stringstream text;
  text << file.rdbuf();
  ARROW_ASSIGN_OR_RAISE(const json::object manifest, ParseJsonObject(text.str()));
  ARROW_ASSIGN_OR_RAISE(const std::string format, GetString(manifest, "format"));
  ARROW_RETURN_NOT_OK(CheckRowFormat(format));
  if (format == "csv" || format == "tfrecord") {
    return Status::NotImplemented("the training dataset in '", directory, "' is saved as ", format,
                                  ", which loses types; save it as 'parquet' or 'arrow' to read "
                                  "it back");
  }
  TrainingDataset dataset;
  ARROW_ASSIGN_OR_RAISE(const json::object definition, FindObject(manifest, "definition"));
  ARROW_ASSIGN_OR_RAISE(dataset.definition, TrainingDatasetDefinition::FromJson(definition));
  ARROW_ASSIGN_OR_RAISE(const json::array columns, FindArray(manifest, "columns"));
  ARROW_ASSIGN_OR_RAISE(const auto names, FindStrings(manifest, "parts"));
  for (const std::string& name : names) {
    ARROW_RETURN_NOT_OK(CheckName("part", name));
    const std::string part_path = FileOf(directory, name, format);
    const auto whole = ReadTable(part_path, format);
    if (!whole.ok()) {
      return Status::IOError("cannot read '", part_path, "': ", whole.status().message());
    }
    ARROW_ASSIGN_OR_RAISE(dataset.parts.emplace_back(), PartOf(name, **whole, columns));
  }
  ARROW_ASSIGN_OR_RAISE(const auto addresses, ContentAddresses(dataset.parts));
  for (const auto& [name, address] : addresses) {
    const auto expected = dataset.definition.sha256.find(name);
    if (expected == dataset.definition.sha256.end() || expected->second != address) {
      return Status::IOError("part '", name, "' in '", directory,
                             "' has other bytes than the dataset that was saved");
    }
  }
  return dataset;
}

json::array DiffDatasets(const TrainingDatasetDefinition& left,
                         const TrainingDatasetDefinition& right) {
  json::array differences;
  json::value a = left.ToJson(), b = right.ToJson();
  for (json::value* one : {&a, &b}) one->get_object().erase("statistics");
  Diff("", &a, &b, &differences);
  return differences;
}

}  // namespace tercet
