#include <algorithm>

#include "offline/position_columns.h"
#include "offline/row_gather.h"
#include "offline/row_stream.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// Files whose key ranges hang together; others' rows are all before or all behind.
struct Cluster {
  std::vector<DataFilePtr> files;  // by low position
  bool NeedsMerge() const { return files.size() > 1; }
};

const std::string& LowOf(const DataFile& file) {
  static const std::string kNone;
  return file.run ? file.run->low : kNone;
}

std::vector<Cluster> ClustersOf(std::vector<DataFilePtr> files) {
  std::stable_sort(files.begin(), files.end(), [](const DataFilePtr& a, const DataFilePtr& b) {
    return LowOf(*a) < LowOf(*b);
  });
  std::vector<Cluster> clusters;
  std::string high;
  bool unbounded = false;
  for (DataFilePtr& file : files) {
    if (clusters.empty() || (!unbounded && LowOf(*file) > high)) clusters.emplace_back();
    if (!file->run) {
      unbounded = true;
    } else {
      high = std::max(high, file->run->high);
    }
    clusters.back().files.push_back(std::move(file));
  }
  return clusters;
}

/// Merges the files of one cluster in windows: all buffered rows up to the least of the buffers'
/// last positions are complete, so they can be put in order and given out at once. Each input
/// has a position at most once. The merge names rows; their values are then gathered from where
/// the files keep them.
class ClusterStream : public RowStream {
 public:
  ClusterStream(std::shared_ptr<const RunOpener> opener, std::vector<DataFilePtr> files,
                RunRequest request)
      : opener_(std::move(opener)), request_(std::move(request)) {
    pending_.assign(files.rbegin(), files.rend());  // the next one at the back
    arrow::FieldVector fields;
    for (const std::string& name : request_.columns) {
      fields.push_back(opener_->columns().logical->GetFieldByName(name));
    }
    schema_ = arrow::schema(std::move(fields));
  }

  Result<std::optional<KeyedRows>> Next() override {
    ARROW_RETURN_NOT_OK(Refill());
    while (active_.empty() && !pending_.empty()) {
      ARROW_RETURN_NOT_OK(Activate());
      ARROW_RETURN_NOT_OK(Refill());
    }
    if (active_.empty()) return std::nullopt;
    const Input* bound = LeastLast();
    while (!pending_.empty() &&
           LowOf(*pending_.back()) <= bound->keys().Position(bound->last())) {
      ARROW_RETURN_NOT_OK(Activate());
      ARROW_RETURN_NOT_OK(Refill());
      bound = LeastLast();
    }
    std::vector<Part> parts;
    for (Input& input : active_) {
      const int64_t end = input.keys().Seek(input.begin, bound->keys(), bound->last(), false);
      if (end > input.begin) parts.push_back({&input, input.begin, end});
    }
    Slices slices(parts);
    if (parts.size() == 1) {
      slices.Put(0, parts[0].begin, parts[0].end);
    } else {
      Merge(parts, &slices);
    }
    Result<BatchPtr> rows = slices.Gather(schema_);
    for (const Part& part : parts) part.input->begin = part.end;
    ARROW_RETURN_NOT_OK(rows);
    return KeyedRows{.rows = *std::move(rows), .keys = {}};
  }

 private:
  /// Of a file: the rows that come next. Numbers are of live rows.
  struct Input {
    DataFilePtr file;
    std::unique_ptr<RunStream> stream;
    std::optional<LooseRows> buffer;
    int64_t begin = 0;
    size_t span = 0;         ///< of buffer->live, where `begin` is
    int64_t span_first = 0;  ///< the live row that this span begins with

    const RowKeys& keys() const { return buffer->keys; }
    int64_t last() const { return buffer->count - 1; }
    bool empty() const { return !buffer || begin > last(); }
  };
  struct Part {
    Input* input;
    int64_t begin, end;
  };

  /// The rows of a window in their order, by the place where they lie.
  class Slices {
   public:
    explicit Slices(const std::vector<Part>& parts) : parts_(parts) {
      for (const Part& part : parts) sources_.push_back(&part.input->buffer->source);
    }

    /// Live rows [begin, end) of a part, which come behind those that were put before.
    void Put(size_t part, int64_t begin, int64_t end) {
      Input& input = *parts_[part].input;
      const std::vector<LooseRows::Span>& live = input.buffer->live;
      while (begin < end) {
        while (begin - input.span_first >= live[input.span].count) {
          input.span_first += live[input.span++].count;
        }
        const LooseRows::Span& span = live[input.span];
        const auto skipped = static_cast<uint32_t>(begin - input.span_first);
        const auto count =
            static_cast<uint32_t>(std::min<int64_t>(span.count - skipped, end - begin));
        slices_.push_back({static_cast<uint32_t>(part), span.begin + skipped, count});
        begin += count;
      }
    }

    Result<BatchPtr> Gather(const std::shared_ptr<arrow::Schema>& schema) const {
      if (slices_.size() == 1) {
        // A long stretch of one file, if decoded, is there already.
        arrow::ArrayVector columns;
        for (const ColumnRows& column : sources_[slices_[0].source]->columns) {
          if (column.array == nullptr) break;
          columns.push_back(column.array->Slice(slices_[0].begin, slices_[0].count));
        }
        if (columns.size() == static_cast<size_t>(schema->num_fields())) {
          return arrow::RecordBatch::Make(schema, slices_[0].count, std::move(columns));
        }
      }
      return GatherSlices(schema, sources_, slices_);
    }

   private:
    const std::vector<Part>& parts_;
    std::vector<const SourceRows*> sources_;
    std::vector<RowSlice> slices_;
  };

  Status Activate() {
    Input input{.file = pending_.back(), .stream = nullptr, .buffer = std::nullopt};
    pending_.pop_back();
    ARROW_ASSIGN_OR_RAISE(input.stream, OpenRun(opener_, input.file, request_));
    active_.push_back(std::move(input));
    return Status::OK();
  }

  /// Fills empty buffers, and drops inputs that are at their end.
  Status Refill() {
    for (Input& input : active_) {
      if (!input.empty()) continue;
      input.buffer = std::nullopt;  // before the next one is made
      ARROW_ASSIGN_OR_RAISE(input.buffer, input.stream->NextLoose());
      input.begin = input.span_first = 0;
      input.span = 0;
    }
    std::erase_if(active_, [](const Input& input) { return !input.buffer; });
    return Status::OK();
  }

  const Input* LeastLast() const {
    const Input* least = &active_.front();
    for (const Input& input : active_) {
      if (input.keys().Compare(input.last(), least->keys(), least->last()) < 0) least = &input;
    }
    return least;
  }

  /// The parts' rows in one order; of equal positions the row of the newest file.
  static void Merge(const std::vector<Part>& parts, Slices* slices) {
    std::vector<Part> heads = parts;
    auto before = [&](size_t a, size_t b) {
      return heads[a].input->keys().Compare(heads[a].begin, heads[b].input->keys(),
                                            heads[b].begin);
    };
    std::vector<size_t> live(parts.size());
    for (size_t i = 0; i < live.size(); ++i) live[i] = i;
    // Few files overlap at a time, so the least head is found by looking at each.
    while (!live.empty()) {
      size_t least = live[0];
      bool tie = false;
      for (size_t k = 1; k < live.size(); ++k) {
        const int order_of_heads = before(live[k], least);
        if (order_of_heads < 0) {
          least = live[k];
          tie = false;
        } else if (order_of_heads == 0) {
          tie = true;
        }
      }
      if (!tie) {
        // All of its rows before the others' heads: after an upsert of few rows, a hundred at once.
        Part& head = heads[least];
        int64_t end = head.end;
        for (const size_t i : live) {
          if (i == least) continue;
          end = std::min(end, head.input->keys().Seek(head.begin, heads[i].input->keys(),
                                                      heads[i].begin, /*or_equal=*/true));
        }
        slices->Put(least, head.begin, end);
        head.begin = end;
      } else {
        const size_t first = least;
        size_t newest = least;
        std::vector<size_t> equal;
        for (const size_t i : live) {
          if (i != first && before(i, first) != 0) continue;
          equal.push_back(i);
          if (parts[i].input->file->After(*parts[newest].input->file)) newest = i;
        }
        slices->Put(newest, heads[newest].begin, heads[newest].begin + 1);
        for (const size_t i : equal) ++heads[i].begin;
      }
      std::erase_if(live, [&](size_t i) { return heads[i].begin == heads[i].end; });
    }
  }

  const std::shared_ptr<const RunOpener> opener_;
  const RunRequest request_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<DataFilePtr> pending_;
  std::vector<Input> active_;
};

/// Cluster after cluster.
class RunsStream : public RowStream {
 public:
  RunsStream(std::shared_ptr<const RunOpener> opener, std::vector<Cluster> clusters,
             RunRequest request)
      : opener_(std::move(opener)), clusters_(std::move(clusters)), request_(std::move(request)) {}

  Result<std::optional<KeyedRows>> Next() override {
    while (true) {
      if (current_ == nullptr) {
        if (next_ == clusters_.size()) return std::nullopt;
        ARROW_RETURN_NOT_OK(Begin(clusters_[next_++]));
      }
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> batch, current_->Next());
      if (!batch) {
        current_ = nullptr;
        continue;
      }
      if (static_cast<size_t>(batch->rows->num_columns()) > request_.columns.size()) {
        ARROW_ASSIGN_OR_RAISE(batch->rows, batch->rows->SelectColumns(wanted_));
      }
      if (request_.with_keys && batch->keys.size() != batch->rows->num_rows()) {
        ARROW_ASSIGN_OR_RAISE(batch->keys, RowKeys::Of(*batch->rows, opener_->options()));
      }
      return batch;
    }
  }

 private:
  Status Begin(const Cluster& cluster) {
    if (!cluster.NeedsMerge()) {
      ARROW_ASSIGN_OR_RAISE(current_, OpenRun(opener_, cluster.files[0], request_));
      return Status::OK();
    }
    RunRequest request = request_;
    request.with_keys = true;
    for (const std::string& key : PositionColumns(opener_->options())) {
      AddOnce(&request.columns, key);
    }
    wanted_.resize(request_.columns.size());
    for (size_t i = 0; i < wanted_.size(); ++i) wanted_[i] = static_cast<int>(i);
    current_ = std::make_unique<ClusterStream>(opener_, cluster.files, std::move(request));
    return Status::OK();
  }

  const std::shared_ptr<const RunOpener> opener_;
  const std::vector<Cluster> clusters_;
  const RunRequest request_;
  std::vector<int> wanted_;
  size_t next_ = 0;
  std::unique_ptr<RowStream> current_;
};

}  // namespace

std::unique_ptr<RowStream> MergeRuns(std::shared_ptr<const RunOpener> opener,
                                     std::vector<DataFilePtr> files, RunRequest request) {
  std::erase_if(files, [&](const DataFilePtr& file) {
    return file->run && !request.MayHold(file->run->low, file->run->high, file->run->time_min_us,
                                         file->run->time_max_us);
  });
  opener->Prefetch(files);
  return std::make_unique<RunsStream>(std::move(opener), ClustersOf(std::move(files)),
                                      std::move(request));
}

}  // namespace tercet
