#include "offline/table_property.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

constexpr std::string_view kFileRetention = "delta.deletedFileRetentionDuration";
constexpr std::string_view kLogRetention = "delta.logRetentionDuration";
constexpr std::string_view kTransactionRetention = "delta.setTransactionRetentionDuration";
constexpr std::string_view kAutoCompactFiles = "tercet.auto_compact_files";
constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayUs = 86'400 * kSecondUs;
constexpr int64_t kDefaultAutoCompactFiles = 50;

enum class Kind { kPositive, kCount, kInterval, kBoolean, kCompression, kOff };

struct Settable {
  std::string_view name;
  Kind kind;
};

constexpr std::array<Settable, 12> kSettable = {{
    {"tercet.compression", Kind::kCompression},
    {"tercet.max_file_rows", Kind::kPositive},
    {"tercet.row_group_rows", Kind::kPositive},
    {"tercet.copy_on_write_rows", Kind::kCount},
    {kAutoCompactFiles, Kind::kCount},
    {"delta.checkpointInterval", Kind::kPositive},
    {kFileRetention, Kind::kInterval},
    {kLogRetention, Kind::kInterval},
    {kTransactionRetention, Kind::kInterval},
    {"delta.enableChangeDataFeed", Kind::kBoolean},
    {"delta.appendOnly", Kind::kBoolean},
    {"delta.enableDeletionVectors", Kind::kOff},
}};

std::optional<int64_t> ParseCount(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Status CheckText(const Settable& property, const std::string& text) {
  const auto refuse = [&](std::string_view wanted) {
    return Status::Invalid("property '", property.name, "' must be ", wanted, ", not '",
                           ShortText(text), "'");
  };
  switch (property.kind) {
    case Kind::kPositive:
    case Kind::kCount: {
      const auto value = ParseCount(text);
      const int64_t least = property.kind == Kind::kPositive ? 1 : 0;
      if (value && *value >= least) return Status::OK();
      return refuse(least == 1 ? "a positive number" : "a number from 0");
    }
    case Kind::kInterval:
      return ParseInterval(text).ok() ? Status::OK() : refuse("as \"interval 30 days\"");
    case Kind::kBoolean:
      return text == "true" || text == "false" ? Status::OK() : refuse("\"true\" or \"false\"");
    case Kind::kCompression: {
      for (const std::string_view name : {"uncompressed", "snappy", "zstd", "lz4", "gzip"}) {
        if (text == name) return Status::OK();
      }
      return refuse("uncompressed, snappy, zstd, lz4 or gzip");
    }
    case Kind::kOff:
      // A table gets vectors with its first change that calls for one, which also moves the
      // protocol on; this says that none are made from now on.
      return text == "false" ? Status::OK() : refuse("\"false\", or be taken away");
  }
  return Status::OK();
}

Result<int64_t> IntervalProperty(const TableState& state, std::string_view name,
                                 int64_t fallback_us) {
  const std::string* text = state.Property(name);
  if (text == nullptr) return fallback_us;
  const Result<int64_t> parsed = ParseInterval(*text);
  if (parsed.ok()) return parsed;
  return Explain(parsed.status(), "table property '" + std::string(name) + "'");
}

std::string_view TakeWord(std::string_view* text) {
  const size_t begin = std::min(text->find_first_not_of(' '), text->size());
  const size_t end = std::min(text->find(' ', begin), text->size());
  const std::string_view word = text->substr(begin, end - begin);
  text->remove_prefix(end);
  return word;
}

}  // namespace

Status CheckProperty(std::string_view name, const std::optional<std::string>& text) {
  if (name.empty()) return Status::Invalid("a property needs a name");
  std::vector<std::string> names;
  for (const Settable& property : kSettable) {
    if (property.name == name) return text ? CheckText(property, *text) : Status::OK();
    names.emplace_back(property.name);
  }
  if (!name.starts_with("delta.") && !name.starts_with("tercet.")) return Status::OK();
  return Status::Invalid("property '", name, "' is not one to set", Suggest(name, names));
}

Result<int64_t> ParseInterval(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, int64_t>, 7> kUnits = {{
      {"week", 7 * kDayUs},
      {"day", kDayUs},
      {"hour", 3600 * kSecondUs},
      {"minute", 60 * kSecondUs},
      {"second", kSecondUs},
      {"millisecond", 1000},
      {"microsecond", 1},
  }};
  const auto malformed = [&] {
    return Status::Invalid("'", ShortText(text), "' is no interval; write one as \"interval ",
                           "30 days\"");
  };
  std::string_view rest = text;
  if (rest.starts_with("interval ") || rest.starts_with("INTERVAL ")) rest.remove_prefix(9);
  int64_t total = 0;
  bool any = false;
  while (true) {
    const std::string_view number = TakeWord(&rest);
    if (number.empty()) break;
    std::string_view unit = TakeWord(&rest);
    if (unit.ends_with('s')) unit.remove_suffix(1);
    const auto count = ParseCount(number);
    int64_t length = 0;
    for (const auto& [name, us] : kUnits) {
      if (name == unit) length = us;
    }
    int64_t part = 0;
    if (!count || *count < 0 || length == 0 || __builtin_mul_overflow(*count, length, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return malformed();
    }
    any = true;
  }
  if (!any) return malformed();
  return total;
}

Result<int64_t> FileRetentionOf(const TableState& state) {
  return IntervalProperty(state, kFileRetention, 7 * kDayUs);
}

Result<int64_t> LogRetentionOf(const TableState& state) {
  return IntervalProperty(state, kLogRetention, 30 * kDayUs);
}

Result<bool> IsExpired(const Transaction& transaction, const TableState& state, int64_t now_us) {
  ARROW_ASSIGN_OR_RAISE(const int64_t retention_us,
                        IntervalProperty(state, kTransactionRetention, -1));
  return retention_us >= 0 && transaction.last_updated_ms &&
         *transaction.last_updated_ms < (now_us - retention_us) / 1000;
}

Result<int64_t> AutoCompactFilesOf(const TableState& state) {
  const std::string* text = state.Property(kAutoCompactFiles);
  if (text == nullptr) return kDefaultAutoCompactFiles;
  const auto count = ParseCount(*text);
  if (count && *count >= 0) return *count;
  return Status::Invalid("table property '", kAutoCompactFiles, "' must be a number, not '", *text,
                         "'");
}

}  // namespace tercet
