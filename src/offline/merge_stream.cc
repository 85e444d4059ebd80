#include <algorithm>

#include <arrow/table.h>

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
/// has a position at most once.
class ClusterStream : public RowStream {
 public:
  ClusterStream(std::shared_ptr<const RunOpener> opener, std::vector<DataFilePtr> files,
                RunRequest request)
      : opener_(std::move(opener)), request_(std::move(request)) {
    pending_.assign(files.rbegin(), files.rend());  // the next one at the back
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
    Result<KeyedRows> window = parts.size() == 1 ? Single(parts[0]) : Merge(parts);
    for (const Part& part : parts) part.input->begin = part.end;
    ARROW_RETURN_NOT_OK(window);
    return *std::move(window);
  }

 private:
  struct Input {
    DataFilePtr file;
    std::unique_ptr<RowStream> stream;
    std::shared_ptr<const KeyedRows> buffer;
    int64_t begin = 0;

    const RowKeys& keys() const { return buffer->keys; }
    int64_t last() const { return buffer->rows->num_rows() - 1; }
    bool empty() const { return buffer == nullptr || begin > last(); }
  };
  struct Part {
    Input* input;
    int64_t begin, end;
  };

  Status Activate() {
    Input input{.file = pending_.back(), .stream = nullptr, .buffer = nullptr, .begin = 0};
    pending_.pop_back();
    ARROW_ASSIGN_OR_RAISE(input.stream, OpenRun(opener_, input.file, request_));
    active_.push_back(std::move(input));
    return Status::OK();
  }

  /// Fills empty buffers, and drops inputs that are at their end.
  Status Refill() {
    for (Input& input : active_) {
      if (!input.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> next, input.stream->Next());
      input.begin = 0;
      input.buffer = next ? std::make_shared<const KeyedRows>(*std::move(next)) : nullptr;
    }
    std::erase_if(active_, [](const Input& input) { return input.buffer == nullptr; });
    return Status::OK();
  }

  const Input* LeastLast() const {
    const Input* least = &active_.front();
    for (const Input& input : active_) {
      if (input.keys().Compare(input.last(), least->keys(), least->last()) < 0) least = &input;
    }
    return least;
  }

  Result<KeyedRows> Single(const Part& part) const {
    const KeyedRows& buffer = *part.input->buffer;
    if (part.begin == 0 && part.end == buffer.rows->num_rows()) return buffer;
    return KeyedRows{.rows = buffer.rows->Slice(part.begin, part.end - part.begin), .keys = {}};
  }

  /// The parts' rows in one order; of equal positions the row of the newest file.
  Result<KeyedRows> Merge(const std::vector<Part>& parts) const {
    std::vector<BatchPtr> slices;
    std::vector<int64_t> shifts;  // from a row of the buffer to a row of the concatenation;
                                  // windows are of row groups, so numbers fit into 32 bits
    int64_t total = 0;
    for (const Part& part : parts) {
      slices.push_back(part.input->buffer->rows->Slice(part.begin, part.end - part.begin));
      shifts.push_back(total - part.begin);
      total += part.end - part.begin;
    }
    std::vector<Part> heads = parts;
    auto before = [&](size_t a, size_t b) {
      return heads[a].input->keys().Compare(heads[a].begin, heads[b].input->keys(),
                                            heads[b].begin);
    };
    std::vector<uint32_t> order;
    order.reserve(total);
    const auto put = [&](size_t part, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        order.push_back(static_cast<uint32_t>(i + shifts[part]));
      }
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
        put(least, head.begin, end);
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
        put(newest, heads[newest].begin, heads[newest].begin + 1);
        for (const size_t i : equal) ++heads[i].begin;
      }
      std::erase_if(live, [&](size_t i) { return heads[i].begin == heads[i].end; });
    }
    ARROW_ASSIGN_OR_RAISE(const BatchPtr together, arrow::ConcatenateRecordBatches(slices));
    ARROW_ASSIGN_OR_RAISE(auto merged, GatherRows(*together, order));
    return KeyedRows{.rows = std::move(merged), .keys = {}};
  }

  const std::shared_ptr<const RunOpener> opener_;
  const RunRequest request_;
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
    std::vector<std::string> keys = opener_->options().primary_key;
    if (!opener_->options().event_time.empty()) keys.push_back(opener_->options().event_time);
    for (const std::string& key : keys) {
      if (std::find(request.columns.begin(), request.columns.end(), key) ==
          request.columns.end()) {
        request.columns.push_back(key);
      }
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
  return std::make_unique<RunsStream>(std::move(opener), ClustersOf(std::move(files)),
                                      std::move(request));
}

}  // namespace tercet
