#include "view/point_in_time_read.h"

#include <algorithm>
#include <set>

#include <arrow/type_traits.h>

#include "base/parallel.h"
#include "view/history.h"
#include "view/left_stream.h"
#include "view/view_rows.h"
#include "view/view_snapshots.h"

namespace tercet {
namespace {

constexpr int64_t kLeastPieceRows = 4096;
constexpr int64_t kMostPieceRows = int64_t{1} << 30;
constexpr int64_t kPieceStep = 65536;  // larger pieces are multiples of it
/// Of left rows in the order of the keys, which take at most this share of the limit: more would
/// only take more fresh memory.
constexpr int64_t kOrderedPieceRows = int64_t{1} << 19;
constexpr int64_t kOrderedShare = 4;
/// A value whose width varies: assumed bytes, thrice, since it is read, kept and put in place.
constexpr int64_t kTextBytes = 3 * 64;
/// What ordering and matching a left row takes: its key, time and number, twice, and where it is.
constexpr int64_t kOrderBytes = 96;

int64_t ValueBytes(const arrow::DataType& type) {
  if (!arrow::is_fixed_width(type.id()) || type.id() == arrow::Type::DICTIONARY) return kTextBytes;
  return static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8 + 1;
}

/// About what one left row takes from its reading to the answer.
int64_t LeftRowBytes(const ViewPlan& plan) {
  int64_t bytes = kOrderBytes;
  std::set<std::string> counted;
  for (const auto& field : plan.row_schema()->fields()) {
    bytes += ValueBytes(*field->type());
    counted.insert(field->name());
  }
  for (const ViewColumn& column : plan.columns()) {
    if (!counted.contains(column.name)) bytes += 2 * ValueBytes(*column.type);  // evaluated
    // Which rows are left out is known at the end, so what stays is copied.
    if (!plan.definition().filter.empty()) bytes += ValueBytes(*column.type);
  }
  // Keys and what the left side has beside the view's columns, read and cast.
  for (const ViewGroup& group : plan.groups()) {
    for (const auto& field : group.key_schema->fields()) bytes += 2 * ValueBytes(*field->type());
    for (const std::string& key : group.keys_given) {
      bytes += ValueBytes(*group.definition.schema->GetFieldByName(key)->type());
    }
    if (group.moved()) bytes += 8;  // the time as of which it is read
  }
  return bytes;
}

/// How many left rows fit in what the groups' history leaves of the limit.
Result<int64_t> PieceRows(const ViewPlan& plan, ViewSnapshots* snapshots,
                          int64_t memory_limit_bytes) {
  int64_t held_bytes = 0;
  for (const ViewGroup& group : plan.groups()) {
    if (&group == &plan.groups()[0]) continue;
    std::vector<std::string> columns = group.definition.primary_key;
    columns.push_back(group.definition.event_time);
    columns.insert(columns.end(), group.features.begin(), group.features.end());
    columns.insert(columns.end(), group.keys_given.begin(), group.keys_given.end());
    ARROW_ASSIGN_OR_RAISE(const auto snapshot, snapshots->Get(group.definition));
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, HeldBytes(snapshot.get(), columns));
    held_bytes = std::max(held_bytes, bytes);
  }
  const int64_t left =
      std::max(memory_limit_bytes - memory_limit_bytes / 8 - held_bytes, memory_limit_bytes / 4);
  const int64_t rows = std::clamp(left / LeftRowBytes(plan), kLeastPieceRows, kMostPieceRows);
  return rows < kPieceStep ? rows : rows / kPieceStep * kPieceStep;
}

Status ExplainRead(const ViewPlan& plan, const Status& status) {
  return Explain(status, "reading feature view '" + plan.definition().name + "'");
}

}  // namespace

Result<ViewRows> ReadView(const ViewPlan& plan, FeatureTables* tables,
                          const ViewReadOptions& options) {
  InitializeArrow();
  const auto read = [&]() -> Result<ViewRows> {
    ViewSnapshots snapshots(tables, options.pins);
    // What one group is joined by is of use for the next one, too.
    const RecycledMemoryUse scratch(options.copy_limit_bytes);
    ViewReadOptions first = options;
    if (options.progress) {
      const auto steps = static_cast<double>(plan.groups().size());
      first.progress = [&options, steps](double fraction) { options.progress(fraction / steps); };
    }
    LeftRows left;
    if (options.spine != nullptr) {
      ARROW_ASSIGN_OR_RAISE(left, ReadSpine(plan, &snapshots, first));
    } else {
      ARROW_ASSIGN_OR_RAISE(left, ReadRoot(plan, &snapshots, first));
    }
    ARROW_ASSIGN_OR_RAISE(ViewRows rows, RowsOf(plan, &snapshots, options, std::move(left)));
    if (options.progress) options.progress(1.0);
    return rows;
  };
  auto rows = read();
  if (rows.ok()) return rows;
  return ExplainRead(plan, rows.status());
}

ViewStream::ViewStream(const ViewPlan* plan, FeatureTables* tables, ViewReadOptions options)
    : plan_(plan),
      options_(std::move(options)),
      memory_(options_.memory_limit_bytes / kOrderedShare),
      snapshots_(std::make_unique<ViewSnapshots>(tables, options_.pins)) {}

ViewStream::~ViewStream() = default;

Result<std::unique_ptr<ViewStream>> ViewStream::Open(
    const ViewPlan* plan, FeatureTables* tables, ViewReadOptions options,
    std::shared_ptr<arrow::RecordBatchReader> spine) {
  InitializeArrow();
  if (spine != nullptr && options.spine != nullptr) {
    return Status::Invalid("a view's read has one spine: a table or a reader");
  }
  options.copy_limit_bytes = 0;
  options.memory = RecycledMemory();
  auto stream = std::unique_ptr<ViewStream>(new ViewStream(plan, tables, std::move(options)));
  const auto opened = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(stream->left_, LeftStream::Open(plan, stream->snapshots_.get(),
                                                          stream->options_, std::move(spine)));
    return PieceRows(*plan, stream->snapshots_.get(), stream->options_.memory_limit_bytes)
        .Value(&stream->piece_rows_);
  }();
  if (!opened.ok()) return ExplainRead(*plan, opened);
  return stream;
}

Result<std::optional<ViewRows>> ViewStream::Next() {
  auto piece = NextPiece();
  if (piece.ok()) return piece;
  return ExplainRead(*plan_, piece.status());
}

Result<std::optional<ViewRows>> ViewStream::NextPiece() {
  ARROW_ASSIGN_OR_RAISE(const bool in_order, left_->InOrder());
  const int64_t piece_rows =
      in_order ? std::clamp(piece_rows_ / kOrderedShare, std::min(piece_rows_, kLeastPieceRows),
                            kOrderedPieceRows)
               : piece_rows_;
  ARROW_ASSIGN_OR_RAISE(LeftRows left, left_->Next(piece_rows));
  if (left.rows == 0 && begun_) {
    if (options_.progress) options_.progress(1.0);
    return std::nullopt;
  }
  begun_ = true;
  ViewReadOptions options = options_;
  options.spine = nullptr;
  options.progress = nullptr;  // told by the left rows done, below
  ARROW_ASSIGN_OR_RAISE(ViewRows rows, RowsOf(*plan_, snapshots_.get(), options, std::move(left)));
  if (options_.progress && left_->fraction()) options_.progress(*left_->fraction());
  return rows;
}

}  // namespace tercet
