#include "offline/table_snapshot.h"

#include <algorithm>

#include "base/name.h"
#include "base/parallel.h"
#include "offline/aligned_rows.h"

namespace tercet {
namespace {

constexpr size_t kMostOpenFiles = 128;

class StreamReader : public arrow::RecordBatchReader {
 public:
  StreamReader(std::unique_ptr<RowStream> stream, std::shared_ptr<arrow::Schema> schema,
               int64_t batch_rows)
      : stream_(std::move(stream)), schema_(std::move(schema)), batch_rows_(batch_rows) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (rest_ == nullptr && stream_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> next, stream_->Next());
      if (next) {
        rest_ = next->rows->ReplaceSchemaMetadata(nullptr);
        // The stream's fields are the table's; only a reader's own schema object is shared out.
        rest_ = arrow::RecordBatch::Make(schema_, rest_->num_rows(), rest_->columns());
      } else {
        stream_ = nullptr;
      }
    }
    *batch = rest_;
    if (rest_ == nullptr || rest_->num_rows() <= batch_rows_) {
      rest_ = nullptr;
      return Status::OK();
    }
    *batch = rest_->Slice(0, batch_rows_);
    rest_ = rest_->Slice(batch_rows_);
    return Status::OK();
  }

 private:
  std::unique_ptr<RowStream> stream_;
  const std::shared_ptr<arrow::Schema> schema_;
  const int64_t batch_rows_;
  std::shared_ptr<arrow::RecordBatch> rest_;
};

/// Where a key ends within a position: positions have the event time behind it.
std::string KeyOfPosition(const std::string& position, const TableOptions& options) {
  const size_t time_bytes = options.event_time.empty() ? 0 : 8;
  return position.substr(0, position.size() - std::min(position.size(), time_bytes));
}

}  // namespace

std::shared_ptr<arrow::RecordBatchReader> ToReader(std::unique_ptr<RowStream> stream,
                                                   std::shared_ptr<arrow::Schema> schema,
                                                   int64_t batch_rows) {
  return std::make_shared<StreamReader>(std::move(stream), std::move(schema), batch_rows);
}

TableSnapshot::TableSnapshot(std::shared_ptr<FileSystem> file_system, const std::string& table_path,
                             TableStatePtr state)
    : state_(std::move(state)),
      opener_(std::make_shared<RunOpener>(std::move(file_system), table_path, state_->columns,
                                          state_->options)) {}

Result<RunRequest> TableSnapshot::RequestOf(const ScanOptions& options) const {
  RunRequest request{.columns = options.columns,
                     .with_keys = false,
                     .start_us = options.start_us,
                     .end_us = options.end_us,
                     .low = {},
                     .high = {},
                     .only = nullptr};
  if (request.columns.empty()) request.columns = schema()->field_names();
  for (const std::string& column : request.columns) {
    if (schema()->GetFieldIndex(column) < 0) {
      return Status::KeyError("the table has no column '", column, "'",
                              Suggest(column, schema()->field_names()));
    }
  }
  if ((options.start_us || options.end_us) && state_->options.event_time.empty()) {
    return Status::Invalid("the table has no event time to select by");
  }
  if (options.batch_rows < 1) {
    return Status::Invalid("batch_rows is ", options.batch_rows, "; it must be at least 1");
  }
  return request;
}

Result<std::shared_ptr<arrow::RecordBatchReader>> TableSnapshot::Read(const ScanOptions& options,
                                                                      RunRequest request) const {
  arrow::FieldVector fields;
  for (const std::string& column : request.columns) {
    fields.push_back(schema()->GetFieldByName(column));
  }
  // Of a hundred thousand files mostly few are wanted, and only these are made and put in order.
  FileFilter filter{.start_us = request.start_us, .end_us = request.end_us};
  const TableColumns& columns = state_->columns;
  if (const int time = columns.logical->GetFieldIndex(state_->options.event_time); time >= 0) {
    filter.time_column = columns.physical->field(time)->name();
  }
  if (!request.low.empty() || !request.high.empty() || request.only != nullptr) {
    filter.may_hold = [&request](const RunTags& run) {
      return request.MayHold(run.low, run.high, run.time_min_us, run.time_max_us);
    };
  }
  std::vector<DataFilePtr> files = state_->files.Ordered(filter);
  return ToReader(MergeRuns(opener_, std::move(files), std::move(request)),
                  arrow::schema(std::move(fields)), options.batch_rows);
}

Result<std::shared_ptr<arrow::RecordBatchReader>> TableSnapshot::Scan(const ScanOptions& options) {
  ARROW_ASSIGN_OR_RAISE(RunRequest request, RequestOf(options));
  return Read(options, std::move(request));
}

Result<std::shared_ptr<arrow::RecordBatchReader>> TableSnapshot::ScanRange(
    const ScanOptions& options, const KeyRange& range) {
  ARROW_ASSIGN_OR_RAISE(RunRequest request, RequestOf(options));
  request.low = range.low;
  request.high = range.high;
  return Read(options, std::move(request));
}

Result<std::vector<KeyRange>> TableSnapshot::Partition(int count) {
  if (count < 1) return Status::Invalid("cannot partition into ", count, " ranges");
  struct Step {
    std::string key;
    int64_t rows;
  };
  std::vector<DataFilePtr> files = state_->OrderedFiles();
  std::vector<std::vector<Step>> of_files(files.size());
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(files.size()), [&](int64_t i) -> Status {
    if (!files[i]->run) return Status::OK();  // any key: says nothing of where rows are
    ARROW_ASSIGN_OR_RAISE(const auto run, OpenFile(files[i]));
    for (const RunFile::RowGroup& group : run->row_groups()) {
      of_files[i].push_back({KeyOfPosition(group.low, state_->options), group.row_count});
    }
    return Status::OK();
  }));
  std::vector<Step> steps;
  int64_t total = 0;
  for (std::vector<Step>& of_file : of_files) {
    for (Step& step : of_file) {
      total += step.rows;
      steps.push_back(std::move(step));
    }
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.key < b.key; });
  std::vector<KeyRange> ranges(1);
  int64_t before = 0;
  for (const Step& step : steps) {
    const auto done = static_cast<int64_t>(ranges.size());
    const bool full = before >= total * done / count;
    if (full && done < count && step.key > ranges.back().low && before > 0) {
      ranges.back().high = step.key;
      ranges.push_back({.low = step.key, .high = {}});
    }
    before += step.rows;
  }
  return ranges;
}

Result<std::shared_ptr<arrow::RecordBatchReader>> TableSnapshot::Lookup(
    const std::shared_ptr<arrow::RecordBatch>& keys, const ScanOptions& options) {
  ARROW_ASSIGN_OR_RAISE(RunRequest request, RequestOf(options));
  ARROW_ASSIGN_OR_RAISE(request.only, KeysToFind(keys, *schema(), state_->options));
  return Read(options, std::move(request));
}

Result<std::vector<DataFilePtr>> TableSnapshot::Files() {
  std::vector<DataFilePtr> files = state_->OrderedFiles();
  opener_->Prefetch(files);  // who asks for them opens them
  return files;
}

Result<std::shared_ptr<RunFile>> TableSnapshot::OpenFile(const DataFilePtr& file) {
  const std::string key = file->add.Key();
  {
    std::lock_guard lock(mutex_);
    const auto found = open_.find(key);
    if (found != open_.end()) return found->second;
  }
  ARROW_ASSIGN_OR_RAISE(auto run, opener_->Open(file));
  std::lock_guard lock(mutex_);
  if (open_.size() < kMostOpenFiles) open_.try_emplace(key, run);
  return run;
}

}  // namespace tercet
