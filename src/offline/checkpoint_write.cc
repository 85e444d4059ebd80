#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <arrow/table_builder.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include "offline/checkpoint.h"
#include "offline/table_property.h"

namespace tercet {
namespace {

using arrow::field;
using arrow::FieldVector;

std::shared_ptr<arrow::DataType> TextMapType() { return arrow::map(arrow::utf8(), arrow::utf8()); }
std::shared_ptr<arrow::DataType> TextsType() {
  return arrow::list(field("element", arrow::utf8()));
}

FieldVector VectorFields() {
  return {field("storageType", arrow::utf8()), field("pathOrInlineDv", arrow::utf8()),
          field("offset", arrow::int32()), field("sizeInBytes", arrow::int32()),
          field("cardinality", arrow::int64())};
}

std::shared_ptr<arrow::Schema> CheckpointSchema() {
  const auto vector = field("deletionVector", arrow::struct_(VectorFields()));
  return arrow::schema(
      {field("txn", arrow::struct_({field("appId", arrow::utf8()),
                                    field("version", arrow::int64()),
                                    field("lastUpdated", arrow::int64())})),
       field("add", arrow::struct_({field("path", arrow::utf8()),
                                    field("partitionValues", TextMapType()),
                                    field("size", arrow::int64()),
                                    field("modificationTime", arrow::int64()),
                                    field("dataChange", arrow::boolean()),
                                    field("stats", arrow::utf8()),
                                    field("tags", TextMapType()), vector,
                                    field("baseRowId", arrow::int64()),
                                    field("defaultRowCommitVersion", arrow::int64())})),
       field("remove", arrow::struct_({field("path", arrow::utf8()),
                                       field("deletionTimestamp", arrow::int64()),
                                       field("dataChange", arrow::boolean()),
                                       field("extendedFileMetadata", arrow::boolean()),
                                       field("partitionValues", TextMapType()),
                                       field("size", arrow::int64()), vector,
                                       field("baseRowId", arrow::int64()),
                                       field("defaultRowCommitVersion", arrow::int64())})),
       field("metaData",
             arrow::struct_({field("id", arrow::utf8()), field("name", arrow::utf8()),
                             field("description", arrow::utf8()),
                             field("format", arrow::struct_({field("provider", arrow::utf8()),
                                                             field("options", TextMapType())})),
                             field("schemaString", arrow::utf8()),
                             field("partitionColumns", TextsType()),
                             field("configuration", TextMapType()),
                             field("createdTime", arrow::int64())})),
       field("protocol", arrow::struct_({field("minReaderVersion", arrow::int32()),
                                         field("minWriterVersion", arrow::int32()),
                                         field("readerFeatures", TextsType()),
                                         field("writerFeatures", TextsType())})),
       field("domainMetadata", arrow::struct_({field("domain", arrow::utf8()),
                                               field("configuration", arrow::utf8()),
                                               field("removed", arrow::boolean())}))});
}

/// Appends one struct's members in their order. Any failure is one of memory, so it is kept and
/// asked for once, by Finish().
class RecordWriter {
 public:
  explicit RecordWriter(arrow::ArrayBuilder* builder)
      : builder_(static_cast<arrow::StructBuilder*>(builder)), status_(builder_->Append()) {}

  RecordWriter& Text(const std::optional<std::string>& value) {
    auto* child = Next<arrow::StringBuilder>();
    return Keep(value ? child->Append(*value) : child->AppendNull());
  }
  RecordWriter& Long(const std::optional<int64_t>& value) {
    auto* child = Next<arrow::Int64Builder>();
    return Keep(value ? child->Append(*value) : child->AppendNull());
  }
  RecordWriter& Int(const std::optional<int64_t>& value) {
    auto* child = Next<arrow::Int32Builder>();
    return Keep(value ? child->Append(static_cast<int32_t>(*value)) : child->AppendNull());
  }
  RecordWriter& Boolean(bool value) { return Keep(Next<arrow::BooleanBuilder>()->Append(value)); }

  RecordWriter& Texts(const std::optional<std::vector<std::string>>& values) {
    auto* child = Next<arrow::ListBuilder>();
    if (!values) return Keep(child->AppendNull());
    Keep(child->Append());
    for (const std::string& value : *values) {
      Keep(static_cast<arrow::StringBuilder*>(child->value_builder())->Append(value));
    }
    return *this;
  }

  template <typename Map>
  RecordWriter& TextMap(const Map& values) {
    auto* child = Next<arrow::MapBuilder>();
    Keep(child->Append());
    for (const auto& [key, value] : values) {
      Keep(static_cast<arrow::StringBuilder*>(child->key_builder())->Append(key));
      auto* items = static_cast<arrow::StringBuilder*>(child->item_builder());
      if constexpr (std::is_same_v<Map, PartitionValues>) {
        Keep(value ? items->Append(*value) : items->AppendNull());
      } else {
        Keep(items->Append(value));
      }
    }
    return *this;
  }

  RecordWriter& Vector(const std::optional<VectorPointer>& vector) {
    auto* child = Next<arrow::StructBuilder>();
    if (!vector) return Keep(child->AppendNull());
    return Keep(RecordWriter(child)
                    .Text(vector->storage_type)
                    .Text(vector->path_or_inline)
                    .Int(vector->offset)
                    .Int(vector->size_bytes)
                    .Long(vector->cardinality)
                    .Finish());
  }

  /// The format of data files, which is always Parquet.
  RecordWriter& Format() {
    return Keep(RecordWriter(Next<arrow::StructBuilder>())
                    .Text("parquet")
                    .TextMap(std::map<std::string, std::string>())
                    .Finish());
  }

  Status Finish() const { return status_; }

 private:
  template <typename Builder>
  Builder* Next() {
    return static_cast<Builder*>(builder_->field_builder(next_++));
  }
  RecordWriter& Keep(Status status) {
    status_ &= std::move(status);
    return *this;
  }

  arrow::StructBuilder* builder_;
  int next_ = 0;
  Status status_;
};

/// Rows of the checkpoint: one action each, so all columns but one are null.
class CheckpointRows {
 public:
  static Result<CheckpointRows> Make() {
    CheckpointRows rows;
    ARROW_ASSIGN_OR_RAISE(rows.builder_, arrow::RecordBatchBuilder::Make(
                                             CheckpointSchema(), arrow::default_memory_pool()));
    return rows;
  }

  Status Put(const Transaction& transaction) {
    return RecordWriter(Row(0))
        .Text(transaction.app_id)
        .Long(transaction.version)
        .Long(transaction.last_updated_ms)
        .Finish();
  }

  Status Put(const DataFile& file) {
    AddFile add = file.add;
    PutVersionTag(file.version, &add);
    return RecordWriter(Row(1))
        .Text(add.path)
        .TextMap(add.partition_values)
        .Long(add.size_bytes)
        .Long(add.modification_time_ms)
        .Boolean(false)
        .Text(add.stats.empty() ? std::nullopt : std::optional(add.stats))
        .TextMap(add.tags)
        .Vector(add.vector)
        .Long(add.row_ids.base)
        .Long(add.row_ids.commit_version)
        .Finish();
  }

  Status Put(const RemoveFile& remove) {
    return RecordWriter(Row(2))
        .Text(remove.path)
        .Long(remove.deletion_time_ms)
        .Boolean(false)
        .Boolean(remove.size_bytes.has_value())
        .TextMap(remove.partition_values)
        .Long(remove.size_bytes)
        .Vector(remove.vector)
        .Long(remove.row_ids.base)
        .Long(remove.row_ids.commit_version)
        .Finish();
  }

  Status Put(const Metadata& metadata) {
    return RecordWriter(Row(3))
        .Text(metadata.id)
        .Text(metadata.name)
        .Text(metadata.description)
        .Format()
        .Text(metadata.schema_string)
        .Texts(metadata.partition_columns)
        .TextMap(metadata.configuration)
        .Long(metadata.created_time_ms)
        .Finish();
  }

  Status Put(const Protocol& protocol) {
    return RecordWriter(Row(4))
        .Int(protocol.min_reader_version)
        .Int(protocol.min_writer_version)
        .Texts(protocol.reader_features)
        .Texts(protocol.writer_features)
        .Finish();
  }

  Status Put(const std::string& domain, const std::string& configuration) {
    return RecordWriter(Row(5)).Text(domain).Text(configuration).Boolean(false).Finish();
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Finish() {
    ARROW_RETURN_NOT_OK(status_);
    return builder_->Flush();
  }

 private:
  /// Begins a row: null in every column but the one returned.
  arrow::ArrayBuilder* Row(int column) {
    for (int i = 0; i < builder_->num_fields(); ++i) {
      if (i != column) status_ &= builder_->GetField(i)->AppendNull();
    }
    return builder_->GetField(column);
  }

  std::unique_ptr<arrow::RecordBatchBuilder> builder_;
  Status status_;
};

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> CheckpointBytes(const TableState& state) {
  ARROW_ASSIGN_OR_RAISE(CheckpointRows rows, CheckpointRows::Make());
  ARROW_RETURN_NOT_OK(rows.Put(state.protocol));
  ARROW_RETURN_NOT_OK(rows.Put(state.metadata));
  for (const auto& [id, transaction] : state.transactions) {
    ARROW_ASSIGN_OR_RAISE(const bool expired,
                          IsExpired(transaction, state, state.commit_time_us));
    if (!expired) ARROW_RETURN_NOT_OK(rows.Put(transaction));
  }
  for (const auto& [domain, configuration] : state.domains) {
    ARROW_RETURN_NOT_OK(rows.Put(domain, configuration));
  }
  for (const DataFilePtr& file : state.OrderedFiles()) ARROW_RETURN_NOT_OK(rows.Put(*file));
  // Nobody may still need the files of older ones, so that a log does not grow with all that ever
  // was removed.
  ARROW_ASSIGN_OR_RAISE(const int64_t retention_us, FileRetentionOf(state));
  const int64_t expired_ms = (state.commit_time_us - retention_us) / 1000;
  for (const auto& [key, remove] : state.tombstones) {
    if (remove.deletion_time_ms.value_or(0) < expired_ms) continue;
    ARROW_RETURN_NOT_OK(rows.Put(remove));
  }
  ARROW_ASSIGN_OR_RAISE(const auto batch, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({batch}));
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  try {
    const auto properties =
        parquet::WriterProperties::Builder().compression(parquet::Compression::SNAPPY)->build();
    ARROW_RETURN_NOT_OK(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink,
                                                   1 << 16, properties));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot write a checkpoint: ", error.what());
  }
  return sink->Finish();
}

}  // namespace tercet
