#include "offline/checkpoint_files.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace tercet {
namespace {

/// Whether a log path is its own decoded form and inside of the table, as nearly all are; others
/// are looked at closely.
bool IsPlainPath(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  char before = 0;
  for (const char c : path) {
    if (c == '%' || c == ':' || c == '\0' || (c == '.' && before == '.')) return false;
    before = c;
  }
  return true;
}

size_t HashOf(std::string_view path) { return std::hash<std::string_view>()(path); }

}  // namespace

Result<AddColumns> AddColumns::Of(const std::shared_ptr<arrow::Array>& column) {
  ARROW_ASSIGN_OR_RAISE(CheckpointRecord record, CheckpointRecord::Of(column, "add"));
  AddColumns adds(std::move(record));
  ARROW_ASSIGN_OR_RAISE(adds.path_, adds.record_.MemberAs<arrow::StringArray>("path"));
  ARROW_ASSIGN_OR_RAISE(adds.size_, adds.record_.MemberAs<arrow::Int64Array>("size"));
  if (adds.path_ == nullptr || adds.size_ == nullptr) {
    return Status::Invalid("checkpoint column 'add' lacks a path or a size");
  }
  ARROW_ASSIGN_OR_RAISE(adds.modified_,
                        adds.record_.MemberAs<arrow::Int64Array>("modificationTime"));
  ARROW_ASSIGN_OR_RAISE(adds.stats_, adds.record_.MemberAs<arrow::StringArray>("stats"));
  ARROW_ASSIGN_OR_RAISE(adds.base_row_id_,
                        adds.record_.MemberAs<arrow::Int64Array>("baseRowId"));
  ARROW_ASSIGN_OR_RAISE(adds.row_commit_version_,
                        adds.record_.MemberAs<arrow::Int64Array>("defaultRowCommitVersion"));
  if (const auto parsed = adds.record_.Member("stats_parsed"); parsed != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const CheckpointRecord inner,
                          CheckpointRecord::Of(parsed, "add.stats_parsed"));
    ARROW_ASSIGN_OR_RAISE(adds.record_count_, inner.MemberAs<arrow::Int64Array>("numRecords"));
  }
  for (const std::string_view name : {"partitionValues", "tags"}) {
    const auto member = adds.record_.Member(name);
    if (member == nullptr) continue;
    ARROW_RETURN_NOT_OK(CheckpointRecord::ExpectTextMap(*member, name));
  }
  ARROW_RETURN_NOT_OK(adds.record_.MemberAs<arrow::BooleanArray>("dataChange"));
  if (const auto tags = adds.record_.Member("tags"); tags != nullptr) {
    const auto map = std::static_pointer_cast<arrow::MapArray>(tags);
    adds.tags_ = map;
    std::shared_ptr<arrow::Array> names = map->keys();
    if (names->type_id() == arrow::Type::DICTIONARY) {
      const auto& keys = static_cast<const arrow::DictionaryArray&>(*names);
      ARROW_RETURN_NOT_OK(CheckpointRecord::Expect(*keys.indices(), arrow::Type::INT32, "tags"));
      adds.tag_names_ = std::static_pointer_cast<arrow::Int32Array>(keys.indices());
      names = keys.dictionary();
    }
    const auto& texts = static_cast<const arrow::StringArray&>(*names);
    for (int64_t k = 0; k < texts.length(); ++k) {
      adds.tag_kinds_.push_back(RunTagReader::TagOf(texts.GetView(k)));
    }
    adds.tag_texts_ = std::static_pointer_cast<arrow::StringArray>(map->items());
  }
  return adds;
}

void AddColumns::ReadTags(int64_t row, RunTagReader* reader) const {
  reader->Clear();
  if (tags_ == nullptr || tags_->IsNull(row)) return;
  for (int64_t k = tags_->value_offset(row); k < tags_->value_offset(row + 1); ++k) {
    if (tag_texts_->IsNull(k) || (tag_names_ != nullptr && tag_names_->IsNull(k))) continue;
    const auto name = static_cast<size_t>(tag_names_ == nullptr ? k : tag_names_->Value(k));
    reader->Take(tag_kinds_[name], tag_texts_->GetView(k));
  }
}

std::optional<int64_t> AddColumns::RecordCount(int64_t row) const {
  const std::string_view stats = Stats(row);
  if (!stats.empty() || record_count_ == nullptr) return RecordCountOf(stats);
  return record_count_->IsNull(row) ? std::nullopt : std::optional(record_count_->Value(row));
}

Status AddColumns::CheckRow(int64_t row) const {
  if (size_->IsNull(row)) {
    return Status::Invalid("file '", Path(row), "' has no size in the checkpoint");
  }
  if (record_.HasVector(row)) ARROW_RETURN_NOT_OK(record_.Vector(row));
  if (IsPlainPath(Path(row))) return Status::OK();
  return DecodeLogPath(Path(row)).status();
}

Result<AddFile> AddColumns::Make(int64_t row) const {
  AddFile add;
  add.path = Path(row);
  ARROW_ASSIGN_OR_RAISE(add.partition_values, record_.Map("partitionValues", row));
  add.size_bytes = SizeBytes(row);
  add.modification_time_ms = ModificationTimeMs(row);
  ARROW_ASSIGN_OR_RAISE(const auto change, record_.Boolean("dataChange", row));
  add.data_change = change.value_or(false);
  add.stats = Stats(row);
  if (const auto count = RecordCount(row); add.stats.empty() && count) {
    add.stats = ToText(json::object{{"numRecords", *count}});
  }
  ARROW_ASSIGN_OR_RAISE(add.tags, record_.Tags(row));
  ARROW_ASSIGN_OR_RAISE(add.vector, record_.Vector(row));
  const auto number = [row](const auto& column) {
    return column == nullptr || column->IsNull(row) ? std::nullopt
                                                    : std::optional(column->Value(row));
  };
  add.row_ids = {.base = number(base_row_id_), .commit_version = number(row_commit_version_)};
  return add;
}

Result<std::shared_ptr<const CheckpointFiles>> CheckpointFiles::Make(
    std::vector<AddColumns> pieces, TableOptions options) {
  auto files = std::shared_ptr<CheckpointFiles>(
      new CheckpointFiles(std::move(pieces), std::move(options)));
  ARROW_RETURN_NOT_OK(files->ReadRows());
  files->PlaceUnknown();
  return files;
}

Status CheckpointFiles::ReadRows() {
  int64_t most = 0;
  for (const AddColumns& piece : pieces_) most += piece.row_count();
  if (most >= std::numeric_limits<uint32_t>::max()) {
    return Status::CapacityError("a checkpoint of ", most, " actions");
  }
  rows_.reserve(static_cast<size_t>(most));
  RunTagReader tags(options_);
  for (uint32_t p = 0; p < pieces_.size(); ++p) {
    const AddColumns& piece = pieces_[p];
    for (int64_t i = 0; i < piece.row_count(); ++i) {
      if (!piece.IsFile(i)) continue;
      ARROW_RETURN_NOT_OK(piece.CheckRow(i));
      piece.ReadTags(i, &tags);
      Row row{.piece = p, .row = static_cast<uint32_t>(i)};
      row.version = tags.version().value_or(-1);
      row.position = static_cast<int64_t>(rows_.size());
      row.is_run = tags.IsRun();
      if (row.is_run) {
        row.row_count = tags.row_count();
        row.time_min_us = tags.time_min_us();
        row.time_max_us = tags.time_max_us();
      }
      rows_.push_back(row);
    }
  }
  return Status::OK();
}

void CheckpointFiles::PlaceUnknown() {
  std::vector<std::pair<int64_t, int64_t>> known;  // modification time, version
  for (const Row& row : rows_) {
    if (row.version < 0) continue;
    known.emplace_back(pieces_[row.piece].ModificationTimeMs(row.row), row.version);
  }
  if (known.size() == rows_.size()) return;
  std::sort(known.begin(), known.end());
  for (Row& row : rows_) {
    if (row.version >= 0) continue;
    const int64_t modified_ms = pieces_[row.piece].ModificationTimeMs(row.row);
    const auto after =
        std::upper_bound(known.begin(), known.end(), std::pair(modified_ms, INT64_MAX));
    row.version = after == known.begin() ? 0 : std::prev(after)->second;
    row.position = modified_ms;
  }
}

std::optional<int64_t> CheckpointFiles::RowCountOf(const Row& row) const {
  const AddColumns& piece = pieces_[row.piece];
  std::optional<int64_t> rows =
      row.is_run ? std::optional(row.row_count) : piece.RecordCount(row.row);
  if (rows && piece.HasVector(row.row)) {
    *rows -= piece.Vector(row.row).ValueOrDie()->cardinality;  // checked by ReadRows
  }
  return rows;
}

bool CheckpointFiles::ReadRunTags(const Row& row, RunTagReader* reader, RunTags* run) const {
  pieces_[row.piece].ReadTags(row.row, reader);
  return reader->Finish(run);
}

DataFilePtr CheckpointFiles::FileOf(const Row& row) const {
  // Neither can fail: ReadRows looked at every row.
  AddFile add = pieces_[row.piece].Make(row.row).ValueOrDie();
  return MakeDataFile(std::move(add), options_, row.version, row.position).ValueOrDie();
}

void CheckpointFiles::MakeIndex() const {
  std::call_once(index_made_, [this] {
    index_.assign(std::bit_ceil(2 * rows_.size() + 1), 0);
    const size_t mask = index_.size() - 1;
    for (size_t i = 0; i < rows_.size(); ++i) {
      size_t slot = HashOf(PathOf(rows_[i])) & mask;
      while (index_[slot] != 0) slot = (slot + 1) & mask;
      index_[slot] = static_cast<uint32_t>(i + 1);
    }
  });
}

std::optional<size_t> CheckpointFiles::Find(std::string_view path,
                                            const std::optional<VectorPointer>& vector) const {
  MakeIndex();
  const size_t mask = index_.size() - 1;
  for (size_t slot = HashOf(path) & mask; index_[slot] != 0; slot = (slot + 1) & mask) {
    const Row& row = rows_[index_[slot] - 1];
    if (PathOf(row) != path) continue;
    const std::optional<VectorPointer> found =
        pieces_[row.piece].Vector(row.row).ValueOrDie();  // checked by ReadRows
    if (found.has_value() != vector.has_value()) continue;
    if (!found || found->UniqueId() == vector->UniqueId()) return index_[slot] - 1;
  }
  return std::nullopt;
}

}  // namespace tercet
