#include "offline/data_file.h"

#include <charconv>

#include "base/json.h"

namespace tercet {
namespace {

constexpr std::string_view kLayoutTag = "tercet.layout";
constexpr std::string_view kVersionTag = "tercet.version";
constexpr std::string_view kUniqueTag = "tercet.unique";
constexpr std::string_view kRowsTag = "tercet.rows";
constexpr std::string_view kLowTag = "tercet.low";
constexpr std::string_view kHighTag = "tercet.high";
constexpr std::string_view kTimeMinTag = "tercet.time_min_us";
constexpr std::string_view kTimeMaxTag = "tercet.time_max_us";

/// Positions longer than this are cut in the log.
constexpr size_t kMaxPositionBytes = 256;

std::optional<int64_t> IntegerTag(const AddFile& add, std::string_view name) {
  const std::optional<std::string_view> text = add.tags.Find(name);
  int64_t value = 0;
  if (!text) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) return std::nullopt;
  return value;
}

/// The least text of at most kMaxPositionBytes that is not before any text with this prefix.
std::string CutUp(std::string position) {
  if (position.size() <= kMaxPositionBytes) return position;
  position.resize(kMaxPositionBytes);
  while (!position.empty() && static_cast<uint8_t>(position.back()) == 0xFF) position.pop_back();
  if (!position.empty()) position.back() = static_cast<char>(position.back() + 1);
  return position;
}

/// Whether a text is the layout's. Asked for every file of a table, so the layout's own text is
/// made anew only when the layout is another than in the last call.
bool IsLayout(std::string_view text, const TableOptions& options) {
  struct Last {
    std::vector<std::string> primary_key;
    std::string event_time, text;
  };
  thread_local Last last;
  if (last.text.empty() || last.primary_key != options.primary_key ||
      last.event_time != options.event_time) {
    last = {options.primary_key, options.event_time, LayoutText(options)};
  }
  return text == last.text;
}

std::optional<RunTags> ReadRunTags(const AddFile& add, const TableOptions& options) {
  const auto layout = add.tags.Find(kLayoutTag);
  if (!layout || !IsLayout(*layout, options)) return std::nullopt;
  const auto low = add.tags.Find(kLowTag), high = add.tags.Find(kHighTag);
  const auto rows = IntegerTag(add, kRowsTag);
  const auto time_min = IntegerTag(add, kTimeMinTag), time_max = IntegerTag(add, kTimeMaxTag);
  if (!low || !high || !rows || !time_min || !time_max) return std::nullopt;
  Result<std::string> low_bytes = FromHex(*low), high_bytes = FromHex(*high);
  if (!low_bytes.ok() || !high_bytes.ok()) return std::nullopt;
  return RunTags{.unique = add.tags.Find(kUniqueTag) == "true",
                 .row_count = *rows,
                 .low = *std::move(low_bytes),
                 .high = *std::move(high_bytes),
                 .time_min_us = *time_min,
                 .time_max_us = *time_max};
}

}  // namespace

std::optional<int64_t> DataFile::RowCount() const {
  std::optional<int64_t> rows;
  if (run) {
    rows = run->row_count;
  } else if (!add.stats.empty()) {
    const Result<json::object> stats = ParseJsonObject(add.stats);
    if (!stats.ok()) return std::nullopt;
    const auto records = FindInt(*stats, "numRecords");
    if (records.ok()) rows = *records;
  }
  if (rows && add.vector) *rows -= add.vector->cardinality;
  return rows;
}

std::string LayoutText(const TableOptions& options) {
  return ToText(json::object{{"primary_key", ToJsonArray(options.primary_key)},
                             {"event_time", options.event_time}});
}

void PutRunTags(const RunTags& run, const TableOptions& options, AddFile* add) {
  auto put = [add](std::string_view name, const std::string& value) {
    add->tags.Set(name, value);
  };
  put(kLayoutTag, LayoutText(options));
  put(kUniqueTag, run.unique ? "true" : "false");
  put(kRowsTag, std::to_string(run.row_count));
  put(kLowTag, ToHex(run.low.substr(0, kMaxPositionBytes)));
  put(kHighTag, ToHex(CutUp(run.high)));
  put(kTimeMinTag, std::to_string(run.time_min_us));
  put(kTimeMaxTag, std::to_string(run.time_max_us));
}

void PutVersionTag(int64_t version, AddFile* add) {
  add->tags.Set(kVersionTag, std::to_string(version));
}

Result<DataFilePtr> MakeDataFile(AddFile add, const TableOptions& options, int64_t version,
                                 int64_t position) {
  auto file = std::make_shared<DataFile>();
  ARROW_ASSIGN_OR_RAISE(file->path, DecodeLogPath(add.path));
  file->run = ReadRunTags(add, options);
  // A change of a file's vector adds it again in a later commit; its rows are as old as before.
  file->version = IntegerTag(add, kVersionTag).value_or(version);
  file->position = position;
  file->add = std::move(add);
  return file;
}

std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

Result<std::string> FromHex(std::string_view text) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string bytes;
  bytes.reserve(text.size() / 2);
  if (text.size() % 2 != 0) return Status::Invalid("odd number of hexadecimal digits");
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return Status::Invalid("'", text, "' is not hexadecimal");
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

}  // namespace tercet
