#include "source/iceberg_rows.h"

#include <optional>
#include <utility>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>

#include "source/field_id.h"
#include "source/iceberg_row_reader.h"

namespace tercet {
namespace {

constexpr char kFileIndex[] = "file_index", kRowNumber[] = "file_row_number";

/// What a query wants of each file.
struct Wanted {
  std::shared_ptr<arrow::Schema> given;     ///< all columns, in order
  std::shared_ptr<arrow::Schema> read;      ///< of these the files' own
  std::map<std::string, int64_t> is_there;  ///< of these what says whether files have an id
};

/// The rows of one file.
class FileRows : public arrow::RecordBatchReader {
 public:
  FileRows(std::shared_ptr<FileSystem> file_system, std::shared_ptr<const IcebergRowFiles> files,
           size_t index, std::shared_ptr<const Wanted> wanted)
      : file_system_(std::move(file_system)),
        files_(std::move(files)),
        index_(index),
        wanted_(std::move(wanted)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return wanted_->given; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    const auto read = [&]() -> Status {
      if (reader_ == nullptr) ARROW_RETURN_NOT_OK(Open());
      arrow::ArrayVector columns;
      ARROW_ASSIGN_OR_RAISE(const int64_t count, reader_->Next(&columns));
      if (count == 0) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(*batch, Given(columns, count));
      row_ += count;
      return Status::OK();
    }();
    if (read.ok()) return read;
    return Explain(read, std::string(IsAvro() ? "Avro" : "ORC") + " file '" + file().path + "'");
  }

 private:
  const IcebergFile& file() const { return files_->files[index_]; }
  bool IsAvro() const { return file().format == IcebergFile::Format::kAvro; }

  Status Open() {
    ARROW_ASSIGN_OR_RAISE(auto bytes, file_system_->OpenMapped(file().path));
    const auto open = IsAvro() ? &IcebergRowReader::OpenAvro : &IcebergRowReader::OpenOrc;
    return open(std::move(bytes), wanted_->read, files_->names).Value(&reader_);
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Given(const arrow::ArrayVector& columns,
                                                    int64_t count) const {
    arrow::ArrayVector given;
    for (const auto& field : wanted_->given->fields()) {
      if (const int place = wanted_->read->GetFieldIndex(field->name()); place >= 0) {
        given.push_back(columns[static_cast<size_t>(place)]);
        continue;
      }
      if (field->name() == kRowNumber) {
        arrow::Int64Builder numbers;
        ARROW_RETURN_NOT_OK(numbers.Reserve(count));
        for (int64_t i = 0; i < count; ++i) numbers.UnsafeAppend(row_ + i);
        ARROW_ASSIGN_OR_RAISE(given.emplace_back(), numbers.Finish());
        continue;
      }
      std::shared_ptr<arrow::Scalar> value;
      if (field->name() == kFileIndex) {
        value = arrow::MakeScalar(files_->first + static_cast<int64_t>(index_));
      } else {
        value = arrow::MakeScalar(reader_->ids().contains(wanted_->is_there.at(field->name())));
      }
      ARROW_ASSIGN_OR_RAISE(given.emplace_back(), arrow::MakeArrayFromScalar(*value, count));
    }
    return arrow::RecordBatch::Make(wanted_->given, count, std::move(given));
  }

  const std::shared_ptr<FileSystem> file_system_;
  const std::shared_ptr<const IcebergRowFiles> files_;
  const size_t index_;
  const std::shared_ptr<const Wanted> wanted_;
  std::unique_ptr<IcebergRowReader> reader_;
  int64_t row_ = 0;
};

class RowsTable : public SqlTable {
 public:
  RowsTable(std::shared_ptr<FileSystem> file_system, IcebergRowFiles files)
      : file_system_(std::move(file_system)),
        files_(std::make_shared<const IcebergRowFiles>(std::move(files))) {
    arrow::FieldVector fields;
    for (const IcebergColumn& column : files_->columns) {
      fields.push_back(FieldOfId(column.id, IcebergColumnName(column.id), column.arrow_type));
      const std::string is_there = IcebergColumnIsThere(column.id);
      fields.push_back(arrow::field(is_there, arrow::boolean()));
      is_there_[is_there] = column.id;
    }
    fields.push_back(arrow::field(kFileIndex, arrow::int64()));
    fields.push_back(arrow::field(kRowNumber, arrow::int64()));
    schema_ = arrow::schema(std::move(fields));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  std::optional<int64_t> row_count() const override {
    int64_t rows = 0;
    for (const IcebergFile& file : files_->files) rows += file.row_count;
    return rows;
  }

  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& columns, int) override {
    auto wanted = std::make_shared<Wanted>();
    arrow::FieldVector given, read;
    for (const std::string& name : columns) {
      const auto field = schema_->GetFieldByName(name);
      given.push_back(field->WithMetadata(nullptr));
      if (FieldId(*field) >= 0) read.push_back(field);
    }
    wanted->given = arrow::schema(std::move(given));
    wanted->read = arrow::schema(std::move(read));
    wanted->is_there = is_there_;
    std::vector<SqlPart> parts;
    for (size_t i = 0; i < files_->files.size(); ++i) {
      parts.push_back([file_system = file_system_, files = files_, i, wanted]()
                          -> Result<std::shared_ptr<arrow::RecordBatchReader>> {
        return std::make_shared<FileRows>(file_system, files, i, wanted);
      });
    }
    return parts;
  }

 private:
  const std::shared_ptr<FileSystem> file_system_;
  const std::shared_ptr<const IcebergRowFiles> files_;
  std::map<std::string, int64_t> is_there_;  // ids of columns by what says whether files have them
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::string IcebergColumnName(int64_t id) { return "c" + std::to_string(id); }
std::string IcebergColumnIsThere(int64_t id) { return "has" + std::to_string(id); }

std::shared_ptr<SqlTable> MakeIcebergRows(std::shared_ptr<FileSystem> file_system,
                                          IcebergRowFiles files) {
  return std::make_shared<RowsTable>(std::move(file_system), std::move(files));
}

}  // namespace tercet
