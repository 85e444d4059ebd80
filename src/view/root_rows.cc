#include "view/root_rows.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "base/recycled_memory.h"
#include "compute/asof_match.h"
#include "view/column_gather.h"
#include "view/run_history.h"

namespace tercet {
namespace {

constexpr size_t kMostFiles = 128;  // which are all open at once

/// A row group, and where its rows go.
struct Part {
  std::shared_ptr<RunFile> run;
  int group = 0;
  int64_t begin = 0;
  int64_t rows() const { return run->row_groups()[static_cast<size_t>(group)].row_count; }
};

/// All row groups in the order of their rows; nullopt where rows are to be merged or left out.
Result<std::optional<std::vector<Part>>> PartsOf(Snapshot* snapshot, const ScanOptions& scan) {
  std::vector<Part> parts;
  if (scan.start_us || scan.end_us) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto files, FollowingRuns(snapshot));
  if (!files || files->size() > kMostFiles) return std::nullopt;
  int64_t rows = 0;
  for (const auto& file : *files) {
    if (!file->run->unique) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(const auto run, snapshot->OpenFile(file));
    for (size_t group = 0; group < run->row_groups().size(); ++group) {
      parts.push_back({run, static_cast<int>(group), rows});
      rows += parts.back().rows();
    }
  }
  return parts;
}

/// One column of a row group into its place.
Status PutColumn(const Part& part, const std::string& name, int task, ColumnGather* gather) {
  static const std::vector<int32_t> kNumbers = [] {
    std::vector<int32_t> numbers(static_cast<size_t>(AsOfMatcher::kBlockRows));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }();
  const int64_t rows = part.rows();
  ARROW_ASSIGN_OR_RAISE(const auto plain, part.run->ReadPlain(part.group, name));
  if (plain != nullptr && !plain->has_nulls()) return gather->PutPlain(*plain, part.begin, rows);
  std::shared_ptr<arrow::Array> array;
  std::vector<int32_t> from;
  if (plain == nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, part.run->Read(part.group, {name}));
    array = batch->column(0);
  }
  for (int64_t begin = 0; begin < rows; begin += AsOfMatcher::kBlockRows) {
    GatherBlock block{.size = std::min(AsOfMatcher::kBlockRows, rows - begin),
                      .from = kNumbers.data(),
                      .to = nullptr,
                      .begin = part.begin + begin};
    if (plain == nullptr) {
      ARROW_RETURN_NOT_OK(gather->Gather(task, *array->Slice(begin, block.size), block));
      continue;
    }
    from.resize(static_cast<size_t>(block.size));
    std::iota(from.begin(), from.end(), static_cast<int32_t>(begin));
    block.from = from.data();
    ARROW_RETURN_NOT_OK(gather->GatherPlain(*plain, block));
  }
  return Status::OK();
}

/// Empty tables come without a chunk's memory, so that they need none of the above.
Result<std::shared_ptr<arrow::Table>> ReadParts(const std::vector<Part>& parts,
                                                const std::shared_ptr<arrow::Schema>& schema,
                                                arrow::MemoryPool* memory) {
  const int64_t rows = parts.empty() ? 0 : parts.back().begin + parts.back().rows();
  if (rows == 0) return arrow::Table::MakeEmpty(schema);
  const auto columns = static_cast<size_t>(schema->num_fields());
  std::vector<std::unique_ptr<ColumnGather>> gathers(columns);
  for (size_t c = 0; c < columns; ++c) {
    const auto& type = schema->field(static_cast<int>(c))->type();
    ARROW_ASSIGN_OR_RAISE(gathers[c], ColumnGather::Make(type, rows, static_cast<int>(parts.size()),
                                                         GatherOrder::kInOrder, memory));
  }
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(parts.size() * columns), [&](int64_t i) {
    const size_t part = static_cast<size_t>(i) / columns, c = static_cast<size_t>(i) % columns;
    return PutColumn(parts[part], schema->field(static_cast<int>(c))->name(),
                     static_cast<int>(part), gathers[c].get());
  }));
  arrow::ChunkedArrayVector values(columns);
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(columns), [&](int64_t c) {
    return gathers[static_cast<size_t>(c)]->Finish().Value(&values[static_cast<size_t>(c)]);
  }));
  return arrow::Table::Make(schema, std::move(values), rows);
}

Result<std::shared_ptr<arrow::Schema>> SchemaOf(const Snapshot& snapshot, const ScanOptions& scan) {
  arrow::FieldVector fields;
  for (const std::string& column : scan.columns) {
    fields.push_back(snapshot.schema()->GetFieldByName(column));
    if (fields.back() == nullptr) {
      return Status::KeyError("the root group has no column '", column, "' as of commit ",
                              snapshot.version());
    }
  }
  return arrow::schema(std::move(fields));
}

class PartReader : public arrow::RecordBatchReader {
 public:
  PartReader(std::vector<Part> parts, std::shared_ptr<arrow::Schema> schema, int64_t batch_rows)
      : parts_(std::move(parts)), schema_(std::move(schema)), batch_rows_(batch_rows) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    std::vector<Part> next;
    for (int64_t rows = 0; next_ < parts_.size(); ++next_) {
      Part part = parts_[next_];
      if (!next.empty() && rows + part.rows() > batch_rows_) break;
      part.begin = rows;
      rows += part.rows();
      next.push_back(std::move(part));
    }
    *batch = nullptr;
    if (next.empty()) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto table, ReadParts(next, schema_, RecycledMemory()));
    return table->CombineChunksToBatch(arrow::default_memory_pool()).Value(batch);
  }

 private:
  const std::vector<Part> parts_;
  const std::shared_ptr<arrow::Schema> schema_;
  const int64_t batch_rows_;
  size_t next_ = 0;
};

}  // namespace

Result<std::shared_ptr<arrow::RecordBatchReader>> OpenAllRows(Snapshot* snapshot,
                                                              const ScanOptions& scan,
                                                              int64_t batch_rows) {
  ARROW_ASSIGN_OR_RAISE(auto parts, PartsOf(snapshot, scan));
  if (!parts) return snapshot->Scan(scan);
  ARROW_ASSIGN_OR_RAISE(auto schema, SchemaOf(*snapshot, scan));
  return std::make_shared<PartReader>(*std::move(parts), std::move(schema), batch_rows);
}

Result<std::shared_ptr<arrow::Table>> ReadAllRows(Snapshot* snapshot, const ScanOptions& scan) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, SchemaOf(*snapshot, scan));
  ARROW_ASSIGN_OR_RAISE(const auto whole, PartsOf(snapshot, scan));
  if (whole) return ReadParts(*whole, schema, LargeMemory());

  ARROW_ASSIGN_OR_RAISE(const auto ranges, snapshot->Partition(ThreadCount() * 2));
  std::vector<arrow::RecordBatchVector> parts(ranges.size());
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(ranges.size()), [&](int64_t i) {
    const auto part = static_cast<size_t>(i);
    ARROW_ASSIGN_OR_RAISE(const auto reader, snapshot->ScanRange(scan, ranges[part]));
    return reader->ToRecordBatches().Value(&parts[part]);
  }));
  arrow::RecordBatchVector batches;
  for (auto& part : parts) batches.insert(batches.end(), part.begin(), part.end());
  if (batches.empty()) return arrow::Table::MakeEmpty(schema);
  return arrow::Table::FromRecordBatches(batches);
}

}  // namespace tercet
