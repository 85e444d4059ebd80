#include "cli/output.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <mutex>

#include <unistd.h>

#include <arrow/api.h>

#include "cli/frame_file.h"
#include "cli/shown_value.h"
#include "client/json_rows.h"
#include "client/plain_json.h"

namespace tercet {
namespace {

constexpr size_t kCellWidth = 40;

/// Characters, not bytes: UTF-8 continuation bytes take no place.
size_t WidthOf(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Shortened(std::string text) {
  if (WidthOf(text) <= kCellWidth) return text;
  size_t end = kCellWidth - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

void PrintJson(const json::value& value) { std::cout << PlainJson(value) << "\n"; }

void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) {
    std::cout << "(none)\n";
    return;
  }
  std::vector<size_t> widths;
  for (size_t c = 0; c < header.size(); ++c) {
    widths.push_back(WidthOf(header[c]));
    for (const auto& row : rows) widths[c] = std::max(widths[c], WidthOf(row[c]));
  }
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      line += cells[c];
      if (c + 1 < cells.size()) line += std::string(widths[c] - WidthOf(cells[c]) + 2, ' ');
    }
    std::cout << line << "\n";
  };
  print(header);
  for (const auto& row : rows) print(row);
}

void PrintMembers(const json::object& object) {
  size_t width = 0;
  for (const auto& member : object) width = std::max(width, member.key().size());
  for (const auto& member : object) {
    std::cout << std::string(member.key()) << std::string(width - member.key().size() + 2, ' ')
              << ShownValue(member.value()) << "\n";
  }
}

std::string ShownCell(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return "null";
  // Lists, structs and maps as JSON; Arrow's text of them has all types in it.
  if (arrow::is_nested(array.type_id())) return Shortened(CellText(array, i));
  const arrow::Result<std::shared_ptr<arrow::Scalar>> scalar = array.GetScalar(i);
  return scalar.ok() ? Shortened((*scalar)->ToString()) : "?";
}

void PrintFrame(const arrow::Table& table, bool as_json, int64_t limit) {
  const std::shared_ptr<arrow::Table> shown = table.Slice(0, limit);
  arrow::TableBatchReader reader(*shown);
  std::vector<std::vector<std::string>> rows;
  std::shared_ptr<arrow::RecordBatch> batch;
  while (reader.ReadNext(&batch).ok() && batch != nullptr) {
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (as_json) {
        std::string line;
        AppendJsonRow(*batch, i, &line);
        std::cout << line << "\n";
        continue;
      }
      std::vector<std::string>& row = rows.emplace_back();
      for (const auto& column : batch->columns()) row.push_back(ShownCell(*column, i));
    }
  }
  if (as_json) return;
  PrintTable(table.ColumnNames(), rows);
  std::cout << "[" << table.num_rows() << " rows × " << table.num_columns() << " columns";
  if (table.num_rows() > limit) std::cout << ", the first " << limit << " shown";
  std::cout << "]\n";
}

Status PrintOrWrite(arrow::RecordBatchReader* rows, bool as_json, int64_t limit,
                    const std::string& output) {
  ARROW_ASSIGN_OR_RAISE(const auto table, rows->ToTable());
  if (output.empty()) {
    PrintFrame(*table, as_json, limit);
    return Status::OK();
  }
  ARROW_RETURN_NOT_OK(WriteFrameFile(*table, output));
  std::cerr << table->num_rows() << " rows written to " << output << "\n";
  return Status::OK();
}

struct ProgressLine::State {
  std::string what;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::mutex mutex;
  bool shown = false;  // guarded by mutex
};

ProgressLine::ProgressLine(std::string what) : state_(std::make_shared<State>()) {
  state_->what = std::move(what);
}

Progress ProgressLine::callback() {
  if (!::isatty(STDERR_FILENO)) return {};
  return [state = state_](double fraction) {
    if (std::chrono::steady_clock::now() - state->started < std::chrono::seconds(2)) return;
    std::lock_guard lock(state->mutex);
    state->shown = true;
    std::fprintf(stderr, "\r%s: %3.0f %%", state->what.c_str(), 100 * fraction);
  };
}

ProgressLine::~ProgressLine() {
  std::lock_guard lock(state_->mutex);
  if (state_->shown) std::fprintf(stderr, "\r%s: done \n", state_->what.c_str());
}

}  // namespace tercet
