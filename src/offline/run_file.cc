#include "offline/run_file.h"

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "base/parallel.h"
#include "base/time_text.h"
#include "offline/column_fit.h"
#include "offline/stored_type.h"

namespace tercet {
namespace {

/// Below this many values it is quicker to decode columns one after another.
constexpr int64_t kMinParallelValues = 1 << 17;

Status Damaged(const Status& status, const std::string& path) {
  if (status.ok()) return status;
  return Status::IOError("cannot read '", path, "': ", status.message());
}

/// The values of a partition column, which are in the log and not in the file.
Result<std::shared_ptr<arrow::Array>> PartitionColumn(const std::optional<std::string>& text,
                                                      const arrow::Field& field, int64_t rows) {
  // Delta writes an empty partition value for null.
  if (!text || text->empty()) return arrow::MakeArrayOfNull(field.type(), rows);
  std::shared_ptr<arrow::Scalar> value = std::make_shared<arrow::StringScalar>(*text);
  if (field.type()->id() == arrow::Type::TIMESTAMP) {
    // With or without fraction and offset; without one, UTC.
    ARROW_ASSIGN_OR_RAISE(const int64_t time_us, ParseTime(*text));
    value = std::make_shared<arrow::TimestampScalar>(time_us, arrow::TimeUnit::MICRO, "UTC");
  }
  ARROW_ASSIGN_OR_RAISE(auto array, arrow::MakeArrayFromScalar(*value, 1));
  std::shared_ptr<arrow::DataType> type = field.type();
  ARROW_ASSIGN_OR_RAISE(arrow::Datum cast, arrow::compute::Cast(array, type));
  ARROW_ASSIGN_OR_RAISE(const auto scalar, cast.make_array()->GetScalar(0));
  return arrow::MakeArrayFromScalar(*scalar, rows);
}

}  // namespace

RunFile::~RunFile() = default;

Result<std::shared_ptr<RunFile>> RunFile::Open(std::shared_ptr<FileSystem> file_system,
                                               const std::string& table_path, DataFilePtr file,
                                               const TableColumns& columns) {
  auto run = std::shared_ptr<RunFile>(new RunFile());
  run->whole_path_ = JoinPath(table_path, file->path);
  run->columns_ = columns;
  run->file_ = std::move(file);
  const AddFile& add = run->file_->add;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> input =
      file_system->OpenMapped(run->whole_path_);
  if (input.status().IsKeyError()) {
    return Status::IOError("a data file that the log names since commit ", run->file_->version,
                           " is missing (a vacuum or an erasure may have removed it, where the ",
                           "commit read is an old one): ", input.status().message());
  }
  ARROW_RETURN_NOT_OK(Damaged(input.status(), run->whole_path_));
  try {
    parquet::ReaderProperties properties;
    parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_use_threads(false);  // ReadColumn may run on the pool
    arrow_properties.set_pre_buffer(false);
    arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(Damaged(builder.Open(*std::move(input), properties), run->whole_path_));
    builder.properties(arrow_properties);
    ARROW_RETURN_NOT_OK(Damaged(builder.Build(&run->reader_), run->whole_path_));
    ARROW_RETURN_NOT_OK(Damaged(run->ReadFooter(), run->whole_path_));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot read '", run->whole_path_, "': ", error.what());
  }
  if (add.vector) {
    ARROW_ASSIGN_OR_RAISE(run->deleted_, ReadVector(file_system.get(), table_path, *add.vector));
    if (!run->deleted_.empty() && run->deleted_.back() >= run->row_count_) {
      return Status::IOError("the deletion vector of '", run->whole_path_, "' names row ",
                             run->deleted_.back(), " of ", run->row_count_);
    }
  }
  return run;
}

Status RunFile::ReadFooter() {
  const auto metadata = reader_->parquet_reader()->metadata();
  for (int i = 0; i < metadata->num_row_groups(); ++i) {
    const int64_t rows = metadata->RowGroup(i)->num_rows();
    if (rows < 0) return Status::Invalid("row group ", i, " has ", rows, " rows");
    row_groups_.push_back({.first_row = row_count_, .row_count = rows});
    row_count_ += rows;
  }
  const std::optional<int64_t> logged =
      sorted() ? file_->run->row_count : RecordCountOf(file_->add.stats);
  if (logged && *logged != row_count_) {
    return Status::Invalid("it has ", row_count_, " rows, but the log's statistics say ", *logged);
  }
  if (!sorted()) return Status::OK();
  const auto pairs = metadata->key_value_metadata();
  if (pairs == nullptr) return Status::OK();
  const Result<std::string> text = pairs->Get(std::string(kRowGroupsKey));
  if (!text.ok()) return Status::OK();
  return RowGroupsFromText(*text, &row_groups_);
}

int RunFile::FindColumn(const std::string& name) const {
  const parquet::arrow::SchemaManifest& manifest = reader_->manifest();
  const int in_table = columns_.logical->GetFieldIndex(name);
  for (size_t i = 0; i < manifest.schema_fields.size(); ++i) {
    const arrow::Field& in_file = *manifest.schema_fields[i].field;
    bool same = in_file.name() == name;
    if (in_table >= 0 && columns_.mapping != ColumnMapping::kNone) {
      const arrow::Field& physical = *columns_.physical->field(in_table);
      same = columns_.mapping == ColumnMapping::kById ? SameFieldId(in_file, physical)
                                                      : in_file.name() == physical.name();
    }
    if (same) return static_cast<int>(i);
  }
  return -1;
}

Result<std::shared_ptr<arrow::Array>> RunFile::ReadColumn(int row_group,
                                                          const arrow::Field& field) const {
  const int64_t rows = row_groups_[row_group].row_count;
  // A file of the change feed has columns that the table has not.
  const int in_table = columns_.logical->GetFieldIndex(field.name());
  for (const std::string& partition : columns_.partition_columns) {
    if (partition != field.name() || in_table < 0) continue;
    const auto value = file_->add.partition_values.find(columns_.physical->field(in_table)->name());
    return PartitionColumn(
        value == file_->add.partition_values.end() ? std::nullopt : value->second, field, rows);
  }
  const int index = FindColumn(field.name());
  if (index < 0) return arrow::MakeArrayOfNull(field.type(), rows);
  std::shared_ptr<arrow::ChunkedArray> chunks;
  try {
    ARROW_RETURN_NOT_OK(reader_->RowGroup(row_group)->Column(index)->Read(&chunks));
  } catch (const parquet::ParquetException& error) {
    return Status::IOError(error.what());
  }
  if (chunks->length() != rows) {
    return Status::Invalid("column '", field.name(), "' has ", chunks->length(), " rows of ", rows);
  }
  std::shared_ptr<arrow::Array> array;
  if (chunks->num_chunks() == 1) {
    array = chunks->chunk(0);
  } else if (chunks->num_chunks() == 0) {
    return arrow::MakeArrayOfNull(field.type(), 0);
  } else {
    ARROW_ASSIGN_OR_RAISE(array, arrow::Concatenate(chunks->chunks()));
  }
  // From the file's type to the table's, then to the user's: a foreign file may be narrower.
  if (array->type()->Equals(*field.type())) return array;
  std::shared_ptr<arrow::DataType> stored, physical;
  if (in_table >= 0) {
    stored = columns_.stored->field(in_table)->type();
    physical = columns_.physical->field(in_table)->type();
  } else {
    ARROW_ASSIGN_OR_RAISE(stored, StoredType(*field.type()));
    physical = stored;
  }
  ARROW_ASSIGN_OR_RAISE(
      array, FitColumn(array, physical, columns_.mapping == ColumnMapping::kById));
  array = Rename(array, stored);
  return ConvertStored(array, field.type());
}

namespace {

/// The width of values that are in files as they are in Arrow; 0 for others.
int PlainWidth(const arrow::DataType& logical, const arrow::DataType& in_file,
               parquet::Type::type physical) {
  switch (logical.id()) {
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return logical.Equals(in_file) && physical == parquet::Type::INT32 ? 4 : 0;
    case arrow::Type::FLOAT:
      return logical.Equals(in_file) && physical == parquet::Type::FLOAT ? 4 : 0;
    case arrow::Type::INT64:
      return logical.Equals(in_file) && physical == parquet::Type::INT64 ? 8 : 0;
    case arrow::Type::DOUBLE:
      return logical.Equals(in_file) && physical == parquet::Type::DOUBLE ? 8 : 0;
    case arrow::Type::TIMESTAMP: {
      const auto micros = [](const arrow::DataType& type) {
        return type.id() == arrow::Type::TIMESTAMP &&
               static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::MICRO;
      };
      return micros(logical) && micros(in_file) && physical == parquet::Type::INT64 ? 8 : 0;
    }
    default:
      return 0;
  }
}

}  // namespace

RunFile::PlainChunk RunFile::PlainChunkOf(int row_group, const std::string& name) const {
  const auto field = columns_.logical->GetFieldByName(name);
  if (field == nullptr) return {};
  if (const int index = FindColumn(name); index >= 0) {
    const auto& in_file = reader_->manifest().schema_fields[index];
    if (!in_file.is_leaf()) return {};
    const auto metadata = reader_->parquet_reader()->metadata();
    const auto chunk = metadata->RowGroup(row_group)->ColumnChunk(in_file.column_index);
    const parquet::ColumnDescriptor* descriptor = metadata->schema()->Column(in_file.column_index);
    const int width =
        PlainWidth(*field->type(), *in_file.field->type(), descriptor->physical_type());
    if (width == 0 || chunk->compression() != parquet::Compression::UNCOMPRESSED ||
        descriptor->max_repetition_level() != 0 || descriptor->max_definition_level() > 1) {
      return {};
    }
    for (const parquet::Encoding::type encoding : chunk->encodings()) {
      if (encoding != parquet::Encoding::PLAIN && encoding != parquet::Encoding::RLE) return {};
    }
    return {in_file.column_index, width, descriptor->max_definition_level() == 1};
  }
  return {};
}

bool RunFile::LiesPlain(int row_group, const std::string& name) const {
  try {
    return PlainChunkOf(row_group, name).column >= 0;
  } catch (const parquet::ParquetException&) {
    return false;  // whoever reads the column will be told
  }
}

Result<std::shared_ptr<const PlainColumn>> RunFile::ReadPlain(int row_group,
                                                              const std::string& name) const {
  if (columns_.logical->GetFieldByName(name) == nullptr) {
    return Status::KeyError("no column '", name, "'");
  }
  try {
    const PlainChunk chunk = PlainChunkOf(row_group, name);
    if (chunk.column < 0) return nullptr;
    const auto pages =
        reader_->parquet_reader()->RowGroup(row_group)->GetColumnPageReader(chunk.column);
    auto column = PlainColumn::Read(pages.get(), chunk.width, chunk.nullable,
                                    row_groups_[row_group].row_count);
    if (column.ok()) return column;
    return Damaged(Explain(column.status(), "column '" + name + "'"), whole_path_);
  } catch (const parquet::ParquetException& error) {
    return Status::IOError("cannot read '", whole_path_, "': ", error.what());
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> RunFile::Read(int row_group,
                                                          const arrow::Schema& schema) const {
  std::vector<std::shared_ptr<arrow::Array>> arrays(schema.num_fields());
  const int64_t rows = row_groups_[row_group].row_count;
  auto read = [&](int64_t i) -> Status {
    Result<std::shared_ptr<arrow::Array>> array = ReadColumn(row_group, *schema.field(i));
    if (!array.ok()) {
      return Damaged(Explain(array.status(), "column '" + schema.field(i)->name() + "'"),
                     whole_path_);
    }
    arrays[i] = *std::move(array);
    return Status::OK();
  };
  if (rows * schema.num_fields() >= kMinParallelValues) {
    ARROW_RETURN_NOT_OK(ParallelFor(schema.num_fields(), read));
  } else {
    for (int i = 0; i < schema.num_fields(); ++i) ARROW_RETURN_NOT_OK(read(i));
  }
  return arrow::RecordBatch::Make(std::make_shared<arrow::Schema>(schema), rows, std::move(arrays));
}

Result<std::shared_ptr<arrow::RecordBatch>> RunFile::Read(
    int row_group, const std::vector<std::string>& names) const {
  arrow::FieldVector fields;
  for (const std::string& name : names) {
    auto field = columns_.logical->GetFieldByName(name);
    if (field == nullptr) return Status::KeyError("no column '", name, "'");
    fields.push_back(std::move(field));
  }
  return Read(row_group, arrow::Schema(std::move(fields)));
}

std::string RowGroupsToText(const std::vector<RunFile::RowGroup>& row_groups) {
  json::array array;
  for (const RunFile::RowGroup& group : row_groups) {
    array.push_back(json::object{{"low", ToHex(group.low)},
                                 {"time_min_us", group.time_min_us},
                                 {"time_max_us", group.time_max_us}});
  }
  return ToText(array);
}

Status RowGroupsFromText(const std::string& text, std::vector<RunFile::RowGroup>* row_groups) {
  ARROW_ASSIGN_OR_RAISE(const json::value value, ParseJson(text));
  if (!value.is_array() || value.as_array().size() != row_groups->size()) {
    return Status::Invalid(kRowGroupsKey, " is not a list of ", row_groups->size());
  }
  for (size_t i = 0; i < row_groups->size(); ++i) {
    const json::value& item = value.as_array()[i];
    if (!item.is_object()) return Status::Invalid(kRowGroupsKey, " is malformed");
    RunFile::RowGroup& group = (*row_groups)[i];
    ARROW_ASSIGN_OR_RAISE(const std::string low, GetString(item.as_object(), "low"));
    ARROW_ASSIGN_OR_RAISE(group.low, FromHex(low));
    ARROW_ASSIGN_OR_RAISE(group.time_min_us, GetInt(item.as_object(), "time_min_us"));
    ARROW_ASSIGN_OR_RAISE(group.time_max_us, GetInt(item.as_object(), "time_max_us"));
  }
  return Status::OK();
}

}  // namespace tercet
