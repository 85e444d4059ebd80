#include "source/sql_result.h"

#include <vector>

#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>

#include "base/interrupt.h"
#include "source/sql_error.h"

namespace tercet {
namespace {

/// DuckDB gives 2,048 rows at a time; so many of those make one batch.
constexpr size_t kChunksPerBatch = 32;

class ResultReader : public arrow::RecordBatchReader {
 public:
  ResultReader(const DuckDbLibrary& duck, std::unique_ptr<SqlResultHandle> result,
               std::string query)
      : duck_(duck),
        result_(std::move(result)),
        query_(std::move(query)),
        options_(duck.destroy_arrow_options,
                 duck.result_get_arrow_options(result_->out())) {}

  Status Begin() {
    const idx_t columns = duck_.column_count(result_->out());
    std::vector<std::unique_ptr<DuckDbHandle<duckdb_logical_type>>> owned;
    std::vector<duckdb_logical_type> types;
    std::vector<const char*> names;
    for (idx_t i = 0; i < columns; ++i) {
      owned.push_back(std::make_unique<DuckDbHandle<duckdb_logical_type>>(
          duck_.destroy_logical_type, duck_.column_logical_type(result_->out(), i)));
      types.push_back(owned.back()->get());
      names.push_back(duck_.column_name(result_->out(), i));
      is_sum_.push_back(duck_.get_type_id(types.back()) == DUCKDB_TYPE_HUGEINT);
    }
    ArrowSchema exported;
    ARROW_RETURN_NOT_OK(Converted(duck_.to_arrow_schema(options_.get(), types.data(),
                                                        names.data(), columns, &exported)));
    ARROW_ASSIGN_OR_RAISE(raw_schema_, arrow::ImportSchema(&exported));
    arrow::FieldVector fields = raw_schema_->fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (is_sum_[i]) fields[i] = fields[i]->WithType(arrow::int64());
      // A note of how DuckDB stores the column is not the column's.
      fields[i] = fields[i]->RemoveMetadata();
    }
    schema_ = arrow::schema(std::move(fields));
    return Status::OK();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    arrow::RecordBatchVector chunks;
    while (!ended_ && chunks.size() < kChunksPerBatch) {
      ARROW_ASSIGN_OR_RAISE(auto chunk, NextChunk());
      if (chunk != nullptr) chunks.push_back(std::move(chunk));
    }
    if (chunks.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(*batch, arrow::ConcatenateRecordBatches(chunks));
    return Status::OK();
  }

 private:
  /// The error of a conversion as one of the query.
  Status Converted(duckdb_error_data error) const {
    const Status status = TakeError(duck_, error);
    return status.ok() ? status : SqlError(status.message().c_str(), query_);
  }

  /// Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> NextChunk() {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    DuckDbHandle<duckdb_data_chunk> chunk(duck_.destroy_data_chunk,
                                          duck_.fetch_chunk(*result_->out()));
    if (chunk.get() == nullptr || duck_.data_chunk_get_size(chunk.get()) == 0) {
      ended_ = true;
      const char* problem = duck_.result_error(result_->out());
      if (problem != nullptr && *problem != '\0') return SqlError(problem, query_);
      return nullptr;
    }
    ArrowArray exported;
    ARROW_RETURN_NOT_OK(
        Converted(duck_.data_chunk_to_arrow(options_.get(), chunk.get(), &exported)));
    ARROW_ASSIGN_OR_RAISE(const auto raw, arrow::ImportRecordBatch(&exported, raw_schema_));
    arrow::ArrayVector columns = raw->columns();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!is_sum_[i]) continue;
      Result<arrow::Datum> number = arrow::compute::Cast(columns[i], arrow::int64());
      if (!number.ok()) {
        return WithQuery(Status::Invalid("column '", schema_->field(static_cast<int>(i))->name(),
                                         "' has a sum beyond int64; cast it to DOUBLE or "
                                         "DECIMAL(38, 0) in the query"),
                         query_);
      }
      columns[i] = number->make_array();
    }
    return arrow::RecordBatch::Make(schema_, raw->num_rows(), std::move(columns));
  }

  const DuckDbLibrary& duck_;
  const std::unique_ptr<SqlResultHandle> result_;
  const std::string query_;
  DuckDbHandle<duckdb_arrow_options> options_;
  std::shared_ptr<arrow::Schema> raw_schema_;  ///< as DuckDB gives the columns
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<bool> is_sum_;  ///< 128-bit integers, which sums of integers are
  bool ended_ = false;
};

}  // namespace

Result<std::shared_ptr<arrow::RecordBatchReader>> OpenSqlResult(
    const DuckDbLibrary& duck, std::unique_ptr<SqlResultHandle> result,
    const std::string& query) {
  auto reader = std::make_shared<ResultReader>(duck, std::move(result), query);
  ARROW_RETURN_NOT_OK(reader->Begin());
  return reader;
}

}  // namespace tercet
