#include <algorithm>
#include <deque>

#include <arrow/array.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include "offline/checkpoint.h"

namespace tercet {
namespace {

using arrow::Array;
using ArrayPtr = std::shared_ptr<Array>;

/// One struct column of the checkpoint and its members by name, whatever is there of them.
class Record {
 public:
  static Result<Record> Of(const ArrayPtr& array, std::string_view name) {
    if (array->type_id() != arrow::Type::STRUCT) {
      return Status::Invalid("checkpoint column '", name, "' is a ", array->type()->ToString(),
                             ", not a struct");
    }
    return Record(std::static_pointer_cast<arrow::StructArray>(array));
  }

  bool IsNull(int64_t i) const { return array_->IsNull(i); }

  Result<std::optional<std::string>> Text(std::string_view name, int64_t i) const {
    const ArrayPtr& member = Member(name);
    if (member == nullptr || member->IsNull(i)) return std::nullopt;
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::STRING, name));
    return static_cast<const arrow::StringArray&>(*member).GetString(i);
  }

  Result<std::optional<int64_t>> Integer(std::string_view name, int64_t i) const {
    const ArrayPtr& member = Member(name);
    if (member == nullptr || member->IsNull(i)) return std::nullopt;
    if (member->type_id() == arrow::Type::INT32) {
      return static_cast<const arrow::Int32Array&>(*member).Value(i);
    }
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::INT64, name));
    return static_cast<const arrow::Int64Array&>(*member).Value(i);
  }

  Result<std::optional<bool>> Boolean(std::string_view name, int64_t i) const {
    const ArrayPtr& member = Member(name);
    if (member == nullptr || member->IsNull(i)) return std::nullopt;
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::BOOL, name));
    return static_cast<const arrow::BooleanArray&>(*member).Value(i);
  }

  Result<std::optional<std::vector<std::string>>> Texts(std::string_view name, int64_t i) const {
    const ArrayPtr& member = Member(name);
    if (member == nullptr || member->IsNull(i)) return std::nullopt;
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::LIST, name));
    const auto& list = static_cast<const arrow::ListArray&>(*member);
    ARROW_RETURN_NOT_OK(Expect(*list.values(), arrow::Type::STRING, name));
    const auto& values = static_cast<const arrow::StringArray&>(*list.values());
    std::vector<std::string> texts;
    for (int64_t k = list.value_offset(i); k < list.value_offset(i + 1); ++k) {
      texts.push_back(values.GetString(k));
    }
    return texts;
  }

  Result<PartitionValues> Map(std::string_view name, int64_t i) const {
    PartitionValues map;
    const ArrayPtr& member = Member(name);
    if (member == nullptr || member->IsNull(i)) return map;
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::MAP, name));
    const auto& entries = static_cast<const arrow::MapArray&>(*member);
    ARROW_RETURN_NOT_OK(Expect(*entries.keys(), arrow::Type::STRING, name));
    ARROW_RETURN_NOT_OK(Expect(*entries.items(), arrow::Type::STRING, name));
    const auto& keys = static_cast<const arrow::StringArray&>(*entries.keys());
    const auto& items = static_cast<const arrow::StringArray&>(*entries.items());
    for (int64_t k = entries.value_offset(i); k < entries.value_offset(i + 1); ++k) {
      std::optional<std::string> value;
      if (items.IsValid(k)) value = items.GetString(k);
      map.emplace(keys.GetString(k), std::move(value));
    }
    return map;
  }

  Result<FileTags> Tags(int64_t i) const {
    FileTags tags;
    const ArrayPtr& member = Member("tags");
    if (member == nullptr || member->IsNull(i)) return tags;
    ARROW_RETURN_NOT_OK(Expect(*member, arrow::Type::MAP, "tags"));
    const auto& entries = static_cast<const arrow::MapArray&>(*member);
    ARROW_RETURN_NOT_OK(Expect(*entries.keys(), arrow::Type::STRING, "tags"));
    ARROW_RETURN_NOT_OK(Expect(*entries.items(), arrow::Type::STRING, "tags"));
    const auto& keys = static_cast<const arrow::StringArray&>(*entries.keys());
    const auto& items = static_cast<const arrow::StringArray&>(*entries.items());
    const int64_t begin = entries.value_offset(i), end = entries.value_offset(i + 1);
    size_t bytes = 0;
    for (int64_t k = begin; k < end; ++k) bytes += keys.GetView(k).size() + items.GetView(k).size();
    tags.Reserve(static_cast<size_t>(end - begin), bytes);
    for (int64_t k = begin; k < end; ++k) {
      if (items.IsValid(k)) tags.Append(keys.GetView(k), items.GetView(k));
    }
    return tags;
  }

  Result<std::map<std::string, std::string>> TextMap(std::string_view name, int64_t i) const {
    ARROW_ASSIGN_OR_RAISE(PartitionValues map, Map(name, i));
    std::map<std::string, std::string> texts;
    for (auto& [key, value] : map) {
      if (value) texts.emplace(key, *std::move(value));
    }
    return texts;
  }

  Result<std::optional<VectorPointer>> Vector(int64_t i) const {
    const ArrayPtr& member = Member("deletionVector");
    if (member == nullptr || member->IsNull(i)) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(const Record record, Of(member, "deletionVector"));
    VectorPointer vector;
    ARROW_ASSIGN_OR_RAISE(const auto type, record.Text("storageType", i));
    ARROW_ASSIGN_OR_RAISE(const auto path, record.Text("pathOrInlineDv", i));
    ARROW_ASSIGN_OR_RAISE(const auto size, record.Integer("sizeInBytes", i));
    ARROW_ASSIGN_OR_RAISE(const auto cardinality, record.Integer("cardinality", i));
    ARROW_ASSIGN_OR_RAISE(vector.offset, record.Integer("offset", i));
    // A reader that flattens structs leaves a vector of nulls where there is none.
    if (!type) return std::nullopt;
    if (!path || !size || !cardinality) {
      return Status::Invalid("a deletion vector lacks its path, size or cardinality");
    }
    vector.storage_type = *type;
    vector.path_or_inline = *path;
    vector.size_bytes = *size;
    vector.cardinality = *cardinality;
    return vector;
  }

 private:
  explicit Record(std::shared_ptr<arrow::StructArray> array) : array_(std::move(array)) {}

  /// Found once a column rather than once a row. Names are literals, so they are told apart by
  /// where they stand.
  const ArrayPtr& Member(std::string_view name) const {
    for (const auto& [known, member] : members_) {
      if (known.data() == name.data()) return member;
    }
    return members_.emplace_back(name, array_->GetFieldByName(std::string(name))).second;
  }

  static Status Expect(const Array& array, arrow::Type::type type, std::string_view name) {
    if (array.type_id() == type) return Status::OK();
    return Status::Invalid("checkpoint member '", name, "' is a ", array.type()->ToString());
  }

  std::shared_ptr<arrow::StructArray> array_;
  mutable std::deque<std::pair<std::string_view, ArrayPtr>> members_;
};

template <typename T>
Result<T> Needed(Result<std::optional<T>> found, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(std::optional<T> value, std::move(found));
  if (!value) return Status::Invalid("checkpoint member '", name, "' is null");
  return *std::move(value);
}

Status ReadAdds(const Record& record, int64_t rows, CheckpointContent* content) {
  content->adds.reserve(content->adds.size() + static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) {
    if (record.IsNull(i)) continue;
    ARROW_ASSIGN_OR_RAISE(auto path, record.Text("path", i));
    if (!path) continue;
    AddFile add;
    add.path = *std::move(path);
    ARROW_ASSIGN_OR_RAISE(add.partition_values, record.Map("partitionValues", i));
    ARROW_ASSIGN_OR_RAISE(add.size_bytes, Needed(record.Integer("size", i), "add.size"));
    ARROW_ASSIGN_OR_RAISE(const auto modified, record.Integer("modificationTime", i));
    add.modification_time_ms = modified.value_or(0);
    ARROW_ASSIGN_OR_RAISE(const auto change, record.Boolean("dataChange", i));
    add.data_change = change.value_or(false);
    ARROW_ASSIGN_OR_RAISE(auto stats, record.Text("stats", i));
    add.stats = std::move(stats).value_or("");
    ARROW_ASSIGN_OR_RAISE(add.tags, record.Tags(i));
    ARROW_ASSIGN_OR_RAISE(add.vector, record.Vector(i));
    content->adds.push_back(std::move(add));
  }
  return Status::OK();
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
    content->removes.push_back(std::move(remove));
  }
  return Status::OK();
}

Status ReadOthers(std::string_view name, const Record& record, int64_t rows,
                  CheckpointContent* content) {
  for (int64_t i = 0; i < rows; ++i) {
    if (record.IsNull(i)) continue;
    if (name == "txn") {
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

}  // namespace

Status ReadCheckpoint(std::shared_ptr<arrow::io::RandomAccessFile> file,
                      CheckpointContent* content) {
  std::shared_ptr<arrow::Table> table;
  try {
    ARROW_ASSIGN_OR_RAISE(auto reader,
                          parquet::arrow::OpenFile(std::move(file), arrow::default_memory_pool()));
    reader->set_use_threads(true);
    ARROW_ASSIGN_OR_RAISE(table, reader->ReadTable());
  } catch (const parquet::ParquetException& error) {
    return Status::Invalid(error.what());
  }
  ARROW_ASSIGN_OR_RAISE(table, table->CombineChunks());
  const int64_t rows = table->num_rows();
  for (const std::string name : {"protocol", "metaData", "txn", "add", "remove"}) {
    const auto column = table->GetColumnByName(name);
    if (column == nullptr || column->num_chunks() == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const Record record, Record::Of(column->chunk(0), name));
    if (name == "add") {
      ARROW_RETURN_NOT_OK(ReadAdds(record, rows, content));
    } else if (name == "remove") {
      ARROW_RETURN_NOT_OK(ReadRemoves(record, rows, content));
    } else {
      ARROW_RETURN_NOT_OK(ReadOthers(name, record, rows, content));
    }
  }
  return Status::OK();
}

Status RestoreState(CheckpointContent content, int64_t version, const TableOptions& given,
                    TableState* state) {
  if (!content.protocol || !content.metadata) {
    return Status::Invalid("the checkpoint has no ", content.protocol ? "metadata" : "protocol");
  }
  state->protocol = *std::move(content.protocol);
  ARROW_RETURN_NOT_OK(CheckReadable(state->protocol, *content.metadata));
  ARROW_RETURN_NOT_OK(ApplyMetadata(*content.metadata, given, state));
  for (Transaction& transaction : content.transactions) {
    state->transactions[transaction.app_id] = std::move(transaction);
  }
  for (RemoveFile& remove : content.removes) {
    std::string key = remove.Key();
    state->tombstones[std::move(key)] = std::move(remove);
  }
  std::vector<DataFilePtr> files;
  files.reserve(content.adds.size());
  state->files.reserve(content.adds.size());
  std::vector<std::pair<int64_t, int64_t>> known;  // modification time, version
  int64_t position = 0;
  for (AddFile& add : content.adds) {
    ARROW_ASSIGN_OR_RAISE(files.emplace_back(),
                          MakeDataFile(std::move(add), state->options, -1, position++));
    const DataFile& file = *files.back();
    if (file.version >= 0) known.emplace_back(file.add.modification_time_ms, file.version);
  }
  std::sort(known.begin(), known.end());
  for (DataFilePtr& file : files) {
    if (file->version < 0) {
      auto placed = std::make_shared<DataFile>(*file);
      const auto after = std::upper_bound(known.begin(), known.end(),
                                          std::pair(file->add.modification_time_ms, INT64_MAX));
      placed->version = after == known.begin() ? 0 : std::prev(after)->second;
      placed->position = file->add.modification_time_ms;
      file = std::move(placed);
    }
    std::string key = file->add.Key();
    state->files[std::move(key)] = std::move(file);
  }
  state->version = version;
  return Status::OK();
}

}  // namespace tercet
