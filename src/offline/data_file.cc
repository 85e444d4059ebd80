#include "offline/data_file.h"

#include <charconv>

#include "base/json.h"

namespace tercet {
namespace {

constexpr std::string_view kLayoutTag = "tercet.layout";
constexpr std::string_view kKeylessTag = "tercet.keyless";
constexpr std::string_view kVersionTag = "tercet.version";
constexpr std::string_view kUniqueTag = "tercet.unique";
constexpr std::string_view kRowsTag = "tercet.rows";
constexpr std::string_view kLowTag = "tercet.low";
constexpr std::string_view kHighTag = "tercet.high";
constexpr std::string_view kTimeMinTag = "tercet.time_min_us";
constexpr std::string_view kTimeMaxTag = "tercet.time_max_us";

/// Positions longer than this are cut in the log.
constexpr size_t kMaxPositionBytes = 256;

std::optional<int64_t> IntegerOf(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The least text of at most kMaxPositionBytes that is not before any text with this prefix; where
/// there is none, the position itself.
std::string CutUp(const std::string& position) {
  if (position.size() <= kMaxPositionBytes) return position;
  std::string cut = position.substr(0, kMaxPositionBytes);
  while (!cut.empty() && static_cast<uint8_t>(cut.back()) == 0xFF) cut.pop_back();
  if (cut.empty()) return position;
  cut.back() = static_cast<char>(cut.back() + 1);
  return cut;
}

/// The layout's text, made anew only when the layout is another than in this thread's last call: it
/// is asked for every file of a table.
std::shared_ptr<const std::string> LayoutTextOf(const TableOptions& options) {
  struct Last {
    std::vector<std::string> primary_key;
    std::string event_time;
    std::shared_ptr<const std::string> text;
  };
  thread_local Last last;
  if (last.text == nullptr || last.primary_key != options.primary_key ||
      last.event_time != options.event_time) {
    last = {options.primary_key, options.event_time,
            std::make_shared<const std::string>(LayoutText(options))};
  }
  return last.text;
}

int HexDigit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ReadHex(std::string_view text, std::string* bytes) {
  bytes->clear();
  if (text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]), low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<char>(high * 16 + low));
  }
  return true;
}

}  // namespace

RunTagReader::RunTagReader(const TableOptions& options) : layout_text_(LayoutTextOf(options)) {}

void RunTagReader::Clear() {
  is_layout_ = unique_ = false;
  low_.reset();
  high_.reset();
  version_.reset();
  rows_.reset();
  time_min_us_.reset();
  time_max_us_.reset();
}

RunTagReader::Tag RunTagReader::TagOf(std::string_view name) {
  constexpr std::pair<std::string_view, Tag> kTags[] = {
      {kLayoutTag, Tag::kLayout}, {kUniqueTag, Tag::kUnique},   {kVersionTag, Tag::kVersion},
      {kRowsTag, Tag::kRows},     {kLowTag, Tag::kLow},         {kHighTag, Tag::kHigh},
      {kTimeMinTag, Tag::kTimeMin}, {kTimeMaxTag, Tag::kTimeMax}};
  for (const auto& [known, tag] : kTags) {
    if (known == name) return tag;
  }
  return Tag::kOther;
}

void RunTagReader::Take(Tag tag, std::string_view text) {
  switch (tag) {
    case Tag::kLayout:
      is_layout_ = text == *layout_text_;
      break;
    case Tag::kUnique:
      unique_ = text == "true";
      break;
    case Tag::kVersion:
      version_ = IntegerOf(text);
      break;
    case Tag::kRows:
      rows_ = IntegerOf(text);
      break;
    case Tag::kLow:
      low_ = text;
      break;
    case Tag::kHigh:
      high_ = text;
      break;
    case Tag::kTimeMin:
      time_min_us_ = IntegerOf(text);
      break;
    case Tag::kTimeMax:
      time_max_us_ = IntegerOf(text);
      break;
    case Tag::kOther:
      break;
  }
}

bool RunTagReader::Finish(RunTags* run) const {
  if (!IsRun() || !ReadHex(*low_, &run->low) || !ReadHex(*high_, &run->high)) return false;
  run->unique = unique_;
  run->row_count = *rows_;
  run->time_min_us = *time_min_us_;
  run->time_max_us = *time_max_us_;
  return true;
}

std::optional<int64_t> RecordCountOf(std::string_view stats) {
  // Nearly all writers put it first.
  constexpr std::string_view kFirst = "{\"numRecords\":";
  if (stats.starts_with(kFirst)) {
    size_t begin = kFirst.size();
    while (begin < stats.size() && stats[begin] == ' ') ++begin;
    size_t end = begin;
    while (end < stats.size() && stats[end] >= '0' && stats[end] <= '9') ++end;
    const bool whole = end < stats.size() && (stats[end] == ',' || stats[end] == '}');
    if (whole) return IntegerOf(stats.substr(begin, end - begin));
  }
  if (stats.empty()) return std::nullopt;
  const Result<json::object> object = ParseJsonObject(stats);
  if (!object.ok()) return std::nullopt;
  const auto records = FindInt(*object, "numRecords");
  return records.ok() ? *records : std::nullopt;
}

std::optional<int64_t> DataFile::RowCount() const {
  std::optional<int64_t> rows = run ? run->row_count : RecordCountOf(add.stats);
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

void PutKeylessTag(const TableOptions& options, AddFile* add) {
  add->tags.Set(kKeylessTag, LayoutText(options));
}

void PutVersionTag(int64_t version, AddFile* add) {
  add->tags.Set(kVersionTag, std::to_string(version));
}

Result<DataFilePtr> MakeDataFile(AddFile add, const TableOptions& options, int64_t version,
                                 int64_t position) {
  auto file = std::make_shared<DataFile>();
  ARROW_ASSIGN_OR_RAISE(file->path, DecodeLogPath(add.path));
  RunTagReader tags(options);
  for (const auto& [name, text] : add.tags) tags.Take(name, text);
  if (RunTags run; tags.Finish(&run)) {
    file->run = std::move(run);
  } else {
    file->keyless = add.tags.Find(kKeylessTag) == *LayoutTextOf(options);
  }
  // A change of a file's vector adds it again in a later commit; its rows are as old as before.
  file->version = tags.version().value_or(version);
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
  std::string bytes;
  bytes.reserve(text.size() / 2);
  if (!ReadHex(text, &bytes)) return Status::Invalid("'", text, "' is not hexadecimal");
  return bytes;
}

}  // namespace tercet
