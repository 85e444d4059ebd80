#include "neighbors/neighbor_search.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <arrow/array/builder_primitive.h>

#include "base/add_once.h"
#include "base/environment.h"
#include "base/hash.h"
#include "base/name.h"
#include "compute/sort_key.h"
#include "compute/take_rows.h"
#include "neighbors/vector_column.h"

namespace tercet {
namespace {

/// How often a search begins again when the group has changed under it, or when of its candidates
/// too many were gone, before it answers with what there is.
constexpr int kTries = 4;

/// Candidates beside the k wanted: floats may put the last of them in another order than doubles.
size_t WithSpare(int64_t k) { return static_cast<size_t>(k + 8 + k / 8); }

/// What the names of a group's files begin with.
std::string FilesOf(const Ref& group) {
  return group.name + "@" + std::to_string(group.version) + "-";
}

/// A search resolved against the group.
struct ResolvedSearch {
  std::vector<std::string> wanted;  // columns of the answer
  std::vector<std::string> read;    // columns to read: those, the embedding, and the filter's
  std::vector<std::vector<float>> vectors;
  LabelSearch labels;
};

Result<std::string> EmbeddingOf(const FeatureGroupDefinition& group, const std::string& column) {
  const std::string what = "feature group '" + group.ref().ToText() + "'";
  std::vector<std::string> names;
  for (const auto& [name, embedding] : group.embeddings) names.push_back(name);
  if (names.empty()) {
    return Status::KeyError(what,
                            " declares no embedding, so it has no neighbours; declare one "
                            "where the group is, or alter it: embeddings={'column': …}");
  }
  if (column.empty()) {
    if (names.size() == 1) return names[0];
    return Status::Invalid(what, " has ", names.size(), " embeddings; say which column is meant",
                           Suggest("", names));
  }
  if (group.embeddings.contains(column)) return column;
  return Status::KeyError(what, " has no embedding '", column, "'", Suggest(column, names));
}

Result<std::vector<float>> CheckedVector(const IndexSource& source, size_t number,
                                         std::span<const double> vector) {
  const std::string what = "vector " + std::to_string(number);
  if (static_cast<int64_t>(vector.size()) != source.dimension) {
    return Status::Invalid(what, " has ", vector.size(), " elements; embedding '", source.column,
                           "' has ", source.dimension);
  }
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return Status::Invalid(what, ": element ", i, " is ", vector[i], ", which is no number");
    }
  }
  std::vector<float> floats(PaddedFloats(vector.size()));
  if (!ToFloats(source.embedding.metric, vector, floats.data())) {
    return Status::Invalid(what, source.embedding.metric == VectorMetric::kCosine
                                     ? " is of length zero or too long, so it has no direction"
                                     : " is too long");
  }
  return floats;
}

Result<ResolvedSearch> Resolve(const IndexSource& source, const NeighborsRequest& request) {
  ResolvedSearch search;
  const arrow::Schema& schema = *source.group.schema;
  search.wanted = request.columns.empty() ? schema.field_names() : request.columns;
  for (const std::string& name : search.wanted) {
    if (schema.GetFieldIndex(name) < 0) {
      return Status::KeyError("feature group '", source.group.ref().ToText(), "' has no column '",
                              name, "'", Suggest(name, schema.field_names()));
    }
    AddOnce(&search.read, name);
  }
  AddOnce(&search.read, source.column);
  for (size_t i = 0; i < request.vectors.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(search.vectors.emplace_back(),
                          CheckedVector(source, i, request.vectors[i]));
  }
  search.labels.count = WithSpare(request.k);
  search.labels.candidates = static_cast<size_t>(
      request.candidates.value_or(std::max(NeighborsRequest::kDefaultCandidates, 2 * request.k)));
  search.labels.exact = request.exact;
  if (!request.filter.empty()) {
    ARROW_ASSIGN_OR_RAISE(search.labels.filter, RowFilter::Make(request.filter, schema));
    search.labels.filter_text = request.filter;
    for (const std::string& name : search.labels.filter->columns()) AddOnce(&search.read, name);
  }
  return search;
}

/// The rows of candidates, put in order.
class Ranking {
 public:
  Ranking(const IndexSource& source, const NeighborsRequest& request, const ResolvedSearch& search)
      : source_(source), request_(request), search_(search) {}

  /// Whether each vector has as many rows as there are, or k.
  Result<bool> Rank(const NearKeys& near, const OnlineColumns& read) {
    rows_.clear();
    distances_.clear();
    queries_.clear();
    const VectorColumn vectors(read.rows->GetColumnByName(source_.column), source_.dimension);
    LabelBits fits;
    if (search_.labels.filter != nullptr) {
      ARROW_ASSIGN_OR_RAISE(fits, search_.labels.filter->Evaluate(*read.rows));
    }
    ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(near.keys->columns()));
    bool enough = true;
    int64_t begin = 0;
    struct Near {
      double distance;
      int64_t row;
    };
    std::vector<Near> nearest;
    for (size_t q = 0; q < near.ends.size(); ++q) {
      nearest.clear();
      for (int64_t i = begin; i < near.ends[q]; ++i) {
        if (!HasRow(read.status[static_cast<size_t>(i)])) continue;
        if (!fits.empty() && !HasBit(fits, static_cast<uint32_t>(i))) continue;
        const double distance = vectors.Distance(source_.embedding.metric, request_.vectors[q], i);
        if (std::isfinite(distance)) nearest.push_back({distance, i});
      }
      begin = near.ends[q];
      std::sort(nearest.begin(), nearest.end(), [&](const Near& a, const Near& b) {
        return a.distance != b.distance ? a.distance < b.distance
                                        : keys.Compare(a.row, keys, b.row) < 0;
      });
      const auto k = static_cast<size_t>(request_.k);
      enough &= nearest.size() >= k || !near.more[q];
      for (size_t i = 0; i < std::min(k, nearest.size()); ++i) {
        queries_.push_back(static_cast<int64_t>(q));
        distances_.push_back(nearest[i].distance);
        rows_.push_back(nearest[i].row);
      }
    }
    return enough;
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Answer(const OnlineColumns& read) const {
    arrow::Int64Builder queries;
    arrow::DoubleBuilder distances;
    ARROW_RETURN_NOT_OK(queries.AppendValues(queries_));
    ARROW_RETURN_NOT_OK(distances.AppendValues(distances_));
    arrow::ArrayVector arrays(2);
    ARROW_RETURN_NOT_OK(queries.Finish(&arrays[0]));
    ARROW_RETURN_NOT_OK(distances.Finish(&arrays[1]));
    arrow::FieldVector fields = {
        arrow::field(std::string(kQueryColumn), arrow::int64(), /*nullable=*/false),
        arrow::field(std::string(kDistanceColumn), arrow::float64(), /*nullable=*/false)};
    std::vector<int> indices;
    for (const std::string& name : search_.wanted) {
      indices.push_back(read.rows->schema()->GetFieldIndex(name));
    }
    ARROW_ASSIGN_OR_RAISE(const auto wanted, read.rows->SelectColumns(indices));
    ARROW_ASSIGN_OR_RAISE(const auto taken, TakeRows(wanted, rows_));
    fields.insert(fields.end(), taken->schema()->fields().begin(), taken->schema()->fields().end());
    arrays.insert(arrays.end(), taken->columns().begin(), taken->columns().end());
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                    static_cast<int64_t>(rows_.size()), std::move(arrays));
  }

 private:
  const IndexSource& source_;
  const NeighborsRequest& request_;
  const ResolvedSearch& search_;
  std::vector<int64_t> rows_;  // of what was read, vector by vector, nearest first
  std::vector<double> distances_;
  std::vector<int64_t> queries_;
};

}  // namespace

Result<NeighborOptions> NeighborOptions::FromEnvironment() {
  NeighborOptions options;
  ARROW_RETURN_NOT_OK(ReadBytesFromEnvironment("TERCET_INDEX_BYTES", &options.index_bytes));
  return options;
}

Result<std::shared_ptr<const NeighborSearch::KnownGroup>> NeighborSearch::GroupOf(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const int64_t counter, catalog_->ChangeCounter());
  {
    const std::lock_guard lock(mutex_);
    const auto known = groups_.find(ref);
    if (known != groups_.end() && known->second->change_counter == counter) return known->second;
  }
  auto group = std::make_shared<KnownGroup>();
  group->change_counter = counter;
  ARROW_ASSIGN_OR_RAISE(group->definition, tables_->Definition(ref));
  ARROW_ASSIGN_OR_RAISE(group->table, tables_->Get(group->definition.ref()));
  // The columns of an external group are its source's, of which the catalog does not know.
  if (group->definition.source) return group;
  const std::lock_guard lock(mutex_);
  groups_[ref] = group;
  return group;
}

std::shared_ptr<IndexPlace> NeighborSearch::PlaceOf(const IndexSource& source) {
  const std::lock_guard lock(mutex_);
  auto& place = places_[{source.group.ref(), source.column}];
  if (place == nullptr) place = std::make_shared<IndexPlace>();
  return place;
}

Result<std::shared_ptr<EmbeddingIndex>> NeighborSearch::Current(const IndexSource& source) {
  const std::shared_ptr<IndexPlace> place = PlaceOf(source);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<EmbeddingIndex> index, place->Get(source));
  const Result<bool> current = index->CatchUp();
  // What is dead takes memory, too, which a new index does without.
  const bool full = current.status().IsCapacityError();
  if (!current.ok() && !full) return current.status();
  if (full || !*current) {
    const EmbeddingIndex* const old = index.get();
    index = nullptr;
    ARROW_ASSIGN_OR_RAISE(index, place->Reload(old, source));
  }
  builder_.Ask(place);
  return index;
}

Result<NeighborsAnswer> NeighborSearch::Find(const Ref& group, const NeighborsRequest& request) {
  ARROW_RETURN_NOT_OK(request.Check());
  IndexSource source{
      .online = online_, .clock = clock_, .memory = &memory_, .files = files_.get()};
  ARROW_ASSIGN_OR_RAISE(const auto known, GroupOf(group));
  source.group = known->definition;
  source.table = known->table;
  ARROW_ASSIGN_OR_RAISE(source.column, EmbeddingOf(source.group, request.column));
  source.embedding = source.group.embeddings.at(source.column);
  if (!folder_.empty()) {
    source.file = JoinPath(folder_, FilesOf(source.group.ref()) +
                                        Sha256Hex(source.column).substr(0, 16) + ".index");
  }
  const auto field = source.group.schema->GetFieldByName(source.column);
  if (field == nullptr) {
    return Status::KeyError("feature group '", source.group.ref().ToText(), "' has no column '",
                            source.column, "' any more");
  }
  ARROW_ASSIGN_OR_RAISE(source.dimension,
                        DimensionOf(source.column, source.embedding, *field->type()));
  ARROW_ASSIGN_OR_RAISE(ResolvedSearch search, Resolve(source, request));
  Ranking ranking(source, request, search);
  for (int tries = 1;; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const auto index, Current(source));
    ARROW_ASSIGN_OR_RAISE(const NearKeys near, index->Search(search.vectors, search.labels));
    ARROW_ASSIGN_OR_RAISE(const OnlineColumns read, ReadOnline(online_, source.group, near.keys,
                                                               search.read, clock_->NowMicros()));
    ARROW_ASSIGN_OR_RAISE(const bool enough, ranking.Rank(near, read));
    if (tries < kTries && (!enough || read.commit != near.commit)) {
      if (!enough) search.labels.count *= 2;
      continue;
    }
    NeighborsAnswer answer{.rows = nullptr, .commit = near.commit};
    ARROW_ASSIGN_OR_RAISE(answer.rows, ranking.Answer(read));
    return answer;
  }
}

std::vector<NeighborIndexInfo> NeighborSearch::Indexes() {
  std::vector<NeighborIndexInfo> infos;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, place] : places_) {
    if (const auto index = place->Here(); index != nullptr) infos.push_back(index->Info());
  }
  return infos;
}

Status NeighborSearch::Forget(const Ref& group) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(places_, [&](const auto& place) {
      if (place.first.first != group) return false;
      // The builder may have it in hand.
      place.second->Replace(place.second->Here(), nullptr);
      return true;
    });
    groups_.clear();
  }
  if (folder_.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, files_->List(folder_));
  for (const FileInfo& file : files) {
    if (!file.name.starts_with(FilesOf(group))) continue;
    ARROW_RETURN_NOT_OK(files_->Remove(JoinPath(folder_, file.name)));
  }
  return Status::OK();
}

}  // namespace tercet
