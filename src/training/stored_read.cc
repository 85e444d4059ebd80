// The read of a view that may be larger than memory.
#include <arrow/util/byte_size.h>

#include "training/part_maker.h"

namespace tercet {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

TablePtr TimesOf(const ViewRows& rows) {
  return arrow::Table::Make(
      arrow::schema({arrow::field("event_time", rows.event_time->type())}), {rows.event_time});
}

Result<int64_t> BytesOf(const ViewRows& rows) {
  ARROW_ASSIGN_OR_RAISE(int64_t bytes, arrow::util::ReferencedBufferSize(*rows.columns));
  ARROW_ASSIGN_OR_RAISE(const int64_t of_keys, arrow::util::ReferencedBufferSize(*rows.keys));
  return bytes + of_keys;
}

/// Of rows in memory.
int64_t MostBytes(const TableStore& store) { return store.limit_bytes() / 4; }

/// Pieces of a view's rows, put together on disk.
class StoredRows {
 public:
  explicit StoredRows(std::string folder) : folder_(std::move(folder)) {}

  Status Append(const ViewRows& piece) {
    if (columns_ == nullptr) {
      pins_ = piece.pins;
      ARROW_ASSIGN_OR_RAISE(columns_, ScratchTable::Make(folder_, piece.columns->schema()));
      ARROW_ASSIGN_OR_RAISE(keys_, ScratchTable::Make(folder_, piece.keys->schema()));
      if (piece.event_time != nullptr) {
        ARROW_ASSIGN_OR_RAISE(times_, ScratchTable::Make(folder_, TimesOf(piece)->schema()));
      }
    }
    ARROW_RETURN_NOT_OK(columns_->Append(*piece.columns));
    ARROW_RETURN_NOT_OK(keys_->Append(*piece.keys));
    return times_ == nullptr ? Status::OK() : times_->Append(*TimesOf(piece));
  }

  Result<ViewRows> Finish() {
    ViewRows rows{.columns = nullptr, .keys = nullptr, .event_time = nullptr, .pins = pins_};
    ARROW_ASSIGN_OR_RAISE(rows.columns, columns_->Finish());
    ARROW_ASSIGN_OR_RAISE(rows.keys, keys_->Finish());
    if (times_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const TablePtr times, times_->Finish());
      rows.event_time = times->column(0);
    }
    return rows;
  }

 private:
  const std::string folder_;
  std::map<std::string, int64_t> pins_;
  std::unique_ptr<ScratchTable> columns_, keys_, times_;
};

Result<ViewRows> Together(std::vector<ViewRows> pieces) {
  if (pieces.size() == 1) return std::move(pieces[0]);
  std::vector<TablePtr> columns, keys;
  arrow::ArrayVector times;
  for (const ViewRows& piece : pieces) {
    columns.push_back(piece.columns);
    keys.push_back(piece.keys);
    if (piece.event_time == nullptr) continue;
    times.insert(times.end(), piece.event_time->chunks().begin(),
                 piece.event_time->chunks().end());
  }
  ViewRows rows = std::move(pieces[0]);
  ARROW_ASSIGN_OR_RAISE(rows.columns, arrow::ConcatenateTables(columns));
  ARROW_ASSIGN_OR_RAISE(rows.keys, arrow::ConcatenateTables(keys));
  if (rows.event_time != nullptr) {
    rows.event_time =
        std::make_shared<arrow::ChunkedArray>(std::move(times), rows.event_time->type());
  }
  return rows;
}

}  // namespace

Result<ViewRows> ReadInto(TableStore* store, const ViewPlan& plan, FeatureTables* tables,
                          ViewReadOptions options) {
  options.memory_limit_bytes = store->limit_bytes() - MostBytes(*store);
  ARROW_ASSIGN_OR_RAISE(const auto stream, ViewStream::Open(&plan, tables, std::move(options)));
  return ReadInto(store, [&] { return stream->Next(); });
}

Result<ViewRows> ReadInto(TableStore* store, const NextRows& next) {
  const int64_t most_bytes = MostBytes(*store);
  std::vector<ViewRows> pieces;
  StoredRows stored(store->folder());
  int64_t bytes = 0;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(std::optional<ViewRows> piece, next());
    if (!piece) break;
    ARROW_ASSIGN_OR_RAISE(const int64_t more, BytesOf(*piece));
    bytes += more;
    pieces.push_back(*std::move(piece));
    if (bytes <= most_bytes && !store->spills()) continue;
    store->Spill();
    for (const ViewRows& one : pieces) ARROW_RETURN_NOT_OK(stored.Append(one));
    pieces.clear();
  }
  return store->spills() ? stored.Finish() : Together(std::move(pieces));
}

}  // namespace tercet
