#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "base/json.h"
#include "platform/platform.h"

namespace tercet {

/// Prints one JSON document on a line of its own.
void PrintJson(const json::value& value);

/// Prints a table with a header, columns aligned; "(none)" when there are no rows.
void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows);

/// Prints members of an object as "name  value" lines.
void PrintMembers(const json::object& object);

/// Prints rows of a frame, at most `limit`; as JSON one object a row.
void PrintFrame(const arrow::Table& table, bool as_json, int64_t limit);

/// Prints rows so, or writes them to the file `output`, unless that is empty, and says so.
Status PrintOrWrite(arrow::RecordBatchReader* rows, bool as_json, int64_t limit,
                    const std::string& output);

/// A cell of a table for people: at most 40 characters, "null" for null.
std::string ShownCell(const arrow::Array& array, int64_t i);

/// Progress on stderr: silent for two seconds, and when stderr is no terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine();
  Progress callback();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tercet
