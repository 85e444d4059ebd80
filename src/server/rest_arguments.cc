#include "server/rest_arguments.h"

#include <charconv>

#include "base/short_text.h"
#include "base/time_text.h"
#include "client/json_rows.h"

namespace tercet {
namespace {

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

Result<int64_t> ReadVersion(std::string_view text) {
  if (text == "latest") return 0;
  const std::optional<int64_t> version = WholeNumber(text);
  if (!version || *version < 0) {
    return Status::Invalid("version '", ShortText(text), "' must be a number or 'latest'");
  }
  return *version;
}

Result<Ref> ReadRef(std::string_view name, std::string_view version) {
  Ref ref;
  ref.name = name;
  ARROW_ASSIGN_OR_RAISE(ref.version, ReadVersion(version));
  return ref;
}

Result<std::optional<int64_t>> QueryInt(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.Query(name);
  if (text == nullptr) return std::nullopt;
  const std::optional<int64_t> number = WholeNumber(*text);
  if (!number) {
    return Status::Invalid("query parameter '", name, "' must be an integer, not '",
                           ShortText(*text), "'");
  }
  return number;
}

Result<std::optional<int64_t>> QueryTime(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.Query(name);
  if (text == nullptr) return std::nullopt;
  if (const std::optional<int64_t> time_us = WholeNumber(*text)) return time_us;
  const Result<int64_t> time_us = ParseTime(*text);
  if (!time_us.ok()) {
    return Explain(time_us.status(), "query parameter '" + std::string(name) + "'");
  }
  return *time_us;
}

std::string RequestId(const HttpRequest& request) {
  const std::string* id = request.Query("request_id");
  return id == nullptr ? request.request_id : *id;
}

Result<ReadRequest> QueryRead(const HttpRequest& request) {
  ReadRequest read;
  if (const std::string* columns = request.Query("columns")) {
    std::string_view rest = *columns;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      read.columns.emplace_back(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  ARROW_ASSIGN_OR_RAISE(read.version, QueryInt(request, "version"));
  ARROW_ASSIGN_OR_RAISE(read.as_of_us, QueryTime(request, "as_of"));
  ARROW_ASSIGN_OR_RAISE(read.start_us, QueryTime(request, "start"));
  ARROW_ASSIGN_OR_RAISE(read.end_us, QueryTime(request, "end"));
  return read;
}

Result<HttpAnswer> RowsAnswer(arrow::RecordBatchReader* reader, int64_t limit) {
  HttpAnswer answer;
  std::string& out = answer.body;
  out = "{\"rows\":[";
  int64_t rows = 0;
  bool more = false;
  while (!more) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) break;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (rows == limit) {
        more = true;
        break;
      }
      if (rows++ > 0) out.push_back(',');
      AppendJsonRow(*batch, row, &out);
    }
  }
  out += more ? "],\"more\":true}" : "],\"more\":false}";
  return answer;
}

Result<RecordBatchReader> ReaderOf(const std::shared_ptr<arrow::RecordBatch>& batch) {
  return arrow::RecordBatchReader::Make({batch}, batch->schema());
}

}  // namespace tercet
