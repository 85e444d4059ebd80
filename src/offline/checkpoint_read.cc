#include <algorithm>
#include <array>

#include <arrow/array.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include "offline/checkpoint.h"

namespace tercet {
namespace {

using Record = CheckpointRecord;

template <typename T>
Result<T> Needed(Result<std::optional<T>> found, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(std::optional<T> value, std::move(found));
  if (!value) return Status::Invalid("checkpoint member '", name, "' is null");
  return *std::move(value);
}

Status ReadRemoves(const Record& record, int64_t rows, CheckpointContent* content) {
  for (int64_t i = 0; i < rows; ++i) {
    if (record.IsNull(i)) continue;
    ARROW_ASSIGN_OR_RAISE(auto path, record.Text("path", i));
    if (!path) continue;
    RemoveFile remove;
    remove.path = *std::move(path);
    ARROW_ASSIGN_OR_RAISE(remove.deletion_time_ms, record.Integer("deletionTimestamp", i));
    ARROW_ASSIGN_OR_RAISE(const auto change, record.Boolean("dataChange", i));
    remove.data_change = change.value_or(false);
    ARROW_ASSIGN_OR_RAISE(remove.partition_values, record.Map("partitionValues", i));
    ARROW_ASSIGN_OR_RAISE(remove.size_bytes, record.Integer("size", i));
    ARROW_ASSIGN_OR_RAISE(remove.tags, record.Tags(i));
    ARROW_ASSIGN_OR_RAISE(remove.vector, record.Vector(i));
    ARROW_ASSIGN_OR_RAISE(remove.row_ids.base, record.Integer("baseRowId", i));
    ARROW_ASSIGN_OR_RAISE(remove.row_ids.commit_version,
                          record.Integer("defaultRowCommitVersion", i));
    content->removes.push_back(std::move(remove));
  }
  return Status::OK();
}

Status ReadOthers(std::string_view name, const Record& record, int64_t rows,
                  CheckpointContent* content) {
  for (int64_t i = 0; i < rows; ++i) {
    if (record.IsNull(i)) continue;
    if (name == "sidecar") {
      ARROW_ASSIGN_OR_RAISE(const auto path, record.Text("path", i));
      if (path) content->sidecars.push_back(*path);
    } else if (name == "domainMetadata") {
      ARROW_ASSIGN_OR_RAISE(const auto domain, record.Text("domain", i));
      if (!domain) continue;
      DomainMetadata kept{.domain = *domain};
      ARROW_ASSIGN_OR_RAISE(auto configuration, record.Text("configuration", i));
      kept.configuration = std::move(configuration).value_or("");
      ARROW_ASSIGN_OR_RAISE(const auto removed, record.Boolean("removed", i));
      kept.removed = removed.value_or(false);
      content->domains.push_back(std::move(kept));
    } else if (name == "txn") {
      ARROW_ASSIGN_OR_RAISE(const auto app, record.Text("appId", i));
      if (!app) continue;
      Transaction transaction{.app_id = *app};
      ARROW_ASSIGN_OR_RAISE(transaction.version,
                            Needed(record.Integer("version", i), "txn.version"));
      ARROW_ASSIGN_OR_RAISE(transaction.last_updated_ms, record.Integer("lastUpdated", i));
      content->transactions.push_back(std::move(transaction));
    } else if (name == "protocol") {
      ARROW_ASSIGN_OR_RAISE(const auto reader, record.Integer("minReaderVersion", i));
      ARROW_ASSIGN_OR_RAISE(const auto writer, record.Integer("minWriterVersion", i));
      if (!reader || !writer) continue;
      Protocol protocol{.min_reader_version = *reader, .min_writer_version = *writer};
      ARROW_ASSIGN_OR_RAISE(protocol.reader_features, record.Texts("readerFeatures", i));
      ARROW_ASSIGN_OR_RAISE(protocol.writer_features, record.Texts("writerFeatures", i));
      // Lists are only meant from these versions on; some writers leave empty ones before.
      if (*reader < 3) protocol.reader_features.reset();
      if (*writer < 7) protocol.writer_features.reset();
      content->protocol = std::move(protocol);
    } else if (name == "metaData") {
      ARROW_ASSIGN_OR_RAISE(const auto id, record.Text("id", i));
      if (!id) continue;
      Metadata metadata{.id = *id};
      ARROW_ASSIGN_OR_RAISE(metadata.name, record.Text("name", i));
      ARROW_ASSIGN_OR_RAISE(metadata.description, record.Text("description", i));
      ARROW_ASSIGN_OR_RAISE(metadata.schema_string,
                            Needed(record.Text("schemaString", i), "metaData.schemaString"));
      ARROW_ASSIGN_OR_RAISE(auto partitions, record.Texts("partitionColumns", i));
      if (partitions) metadata.partition_columns = *std::move(partitions);
      ARROW_ASSIGN_OR_RAISE(metadata.configuration, record.TextMap("configuration", i));
      ARROW_ASSIGN_OR_RAISE(metadata.created_time_ms, record.Integer("createdTime", i));
      content->metadata = std::move(metadata);
    }
  }
  return Status::OK();
}

/// The leaves that we look at: parsed statistics, say, can be most of a checkpoint.
std::vector<int> WantedLeaves(const parquet::SchemaDescriptor& schema) {
  constexpr std::array<std::string_view, 10> kOfFiles = {
      "path",  "partitionValues", "size",           "modificationTime", "dataChange",
      "stats", "tags",            "deletionVector", "baseRowId",        "defaultRowCommitVersion"};
  constexpr std::array<std::string_view, 6> kActions = {"protocol", "metaData", "txn",
                                                        "remove",   "sidecar",  "domainMetadata"};
  std::vector<int> leaves;
  for (int i = 0; i < schema.num_columns(); ++i) {
    const std::vector<std::string> path = schema.Column(i)->path()->ToDotVector();
    const auto is_one_of = [](const auto& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool of_file = path.size() > 1 && is_one_of(kOfFiles, path[1]);
    // Some writers leave the text out where they have it parsed.
    const bool count = path.size() == 3 && path[1] == "stats_parsed" && path[2] == "numRecords";
    if (path[0] == "add" ? of_file || count : is_one_of(kActions, path[0])) leaves.push_back(i);
  }
  return leaves;
}

Status ReadActions(const arrow::Table& table, CheckpointContent* content) {
  for (const auto& field : table.schema()->fields()) {
    const std::string& name = field->name();
    for (const auto& chunk : table.GetColumnByName(name)->chunks()) {
      if (name == "add") {
        ARROW_ASSIGN_OR_RAISE(AddColumns adds, AddColumns::Of(chunk));
        content->adds.push_back(std::move(adds));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const Record record, Record::Of(chunk, name));
      if (name == "remove") {
        ARROW_RETURN_NOT_OK(ReadRemoves(record, chunk->length(), content));
      } else {
        ARROW_RETURN_NOT_OK(ReadOthers(name, record, chunk->length(), content));
      }
    }
  }
  return Status::OK();
}

}  // namespace

Status ReadCheckpoint(std::shared_ptr<arrow::io::RandomAccessFile> file,
                      CheckpointContent* content) {
  try {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(std::move(file)));
    const parquet::SchemaDescriptor& schema = *builder.raw_reader()->metadata()->schema();
    const std::vector<int> leaves = WantedLeaves(schema);
    parquet::ArrowReaderProperties properties(/*use_threads=*/true);
    for (const int leaf : leaves) {
      // A handful of names, some for every file.
      const std::vector<std::string> path = schema.Column(leaf)->path()->ToDotVector();
      if (path[0] == "add" && path[1] == "tags" && path.back() == "key") {
        properties.set_read_dictionary(leaf, true);
      }
    }
    std::unique_ptr<parquet::arrow::FileReader> reader;
    ARROW_RETURN_NOT_OK(builder.properties(properties)->Build(&reader));
    for (int group = 0; group < reader->num_row_groups(); ++group) {
      ARROW_ASSIGN_OR_RAISE(const auto table, reader->ReadRowGroup(group, leaves));
      ARROW_RETURN_NOT_OK(ReadActions(*table, content));
    }
  } catch (const parquet::ParquetException& error) {
    return Status::Invalid(error.what());
  }
  return Status::OK();
}

Status ReadJsonCheckpoint(std::string_view text, CheckpointContent* content) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = "line " + std::to_string(number);
    if (line.starts_with("{\"sidecar\"")) {
      ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(line));
      ARROW_ASSIGN_OR_RAISE(const json::object sidecar, FindObject(object, "sidecar"));
      const Result<std::string> path = GetString(sidecar, "path");
      if (!path.ok()) return Explain(path.status(), where);
      content->sidecars.push_back(*path);
      continue;
    }
    Result<Action> action = ParseAction(line);
    if (!action.ok()) return Explain(action.status(), where);
    if (auto* protocol = std::get_if<Protocol>(&*action)) content->protocol = *protocol;
    if (auto* metadata = std::get_if<Metadata>(&*action)) content->metadata = *metadata;
    if (auto* txn = std::get_if<Transaction>(&*action)) content->transactions.push_back(*txn);
    if (auto* add = std::get_if<AddFile>(&*action)) content->listed_adds.push_back(*add);
    if (auto* remove = std::get_if<RemoveFile>(&*action)) content->removes.push_back(*remove);
    if (auto* domain = std::get_if<DomainMetadata>(&*action)) content->domains.push_back(*domain);
  }
  return Status::OK();
}

Status RestoreState(CheckpointContent content, int64_t version, const TableOptions& given,
                    TableState* state) {
  if (!content.protocol || !content.metadata) {
    return Status::Invalid("the checkpoint has no ", content.protocol ? "metadata" : "protocol");
  }
  state->protocol = *std::move(content.protocol);
  ARROW_RETURN_NOT_OK(ApplyMetadata(*content.metadata, given, state));
  for (Transaction& transaction : content.transactions) {
    state->transactions[transaction.app_id] = std::move(transaction);
  }
  for (DomainMetadata& domain : content.domains) {
    if (!domain.removed) state->domains[domain.domain] = std::move(domain.configuration);
  }
  for (RemoveFile& remove : content.removes) {
    std::string key = remove.Key();
    state->tombstones[std::move(key)] = std::move(remove);
  }
  ARROW_ASSIGN_OR_RAISE(auto files,
                        CheckpointFiles::Make(std::move(content.adds), state->options));
  state->files = LiveFiles(std::move(files));
  for (AddFile& add : content.listed_adds) {
    const int64_t modified_ms = add.modification_time_ms;
    ARROW_ASSIGN_OR_RAISE(DataFilePtr file,
                          MakeDataFile(std::move(add), state->options, 0, modified_ms));
    state->files.Put(std::move(file));
  }
  state->version = version;
  return Status::OK();
}

}  // namespace tercet
