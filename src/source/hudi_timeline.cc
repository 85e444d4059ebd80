#include "source/hudi_timeline.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>

#include "base/json.h"
#include "base/short_text.h"
#include "source/avro_file.h"

namespace tercet {
namespace {

constexpr size_t kSecondsDigits = 14, kMillisDigits = 17;
constexpr int64_t kNewestVersion = 9;

bool IsDigits(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int64_t NumberOf(std::string_view digits) {
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

bool IsWrite(std::string_view action) {
  return action == "commit" || action == "deltacommit" || action == "replacecommit";
}

/// Of the actions that are no write, those which become one when they are done.
bool BecomesWrite(std::string_view action) {
  return IsWrite(action) || action == "compaction" || action == "logcompaction" ||
         action == "clustering";
}

/// A file of Java's properties, as far as Hudi writes them: a line each, special characters behind
/// a backslash.
std::map<std::string, std::string> ParseProperties(std::string_view text) {
  std::map<std::string, std::string> properties;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#') || line.starts_with('!')) continue;
    std::string name, value;
    bool in_value = false;
    for (size_t i = 0; i < line.size(); ++i) {
      const bool escaped = line[i] == '\\' && i + 1 < line.size();
      if (escaped) ++i;
      if (!escaped && !in_value && line[i] == '=') {
        in_value = true;
      } else {
        (in_value ? value : name) += line[i];
      }
    }
    if (in_value) properties[name] = value;
  }
  return properties;
}

/// A name on the timeline: TIME[_COMPLETION].ACTION[.STATE].
struct InstantName {
  HudiInstant instant;
  bool completed = false;
};

std::optional<InstantName> ParseName(const std::string& name) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return std::nullopt;
  InstantName parsed;
  parsed.instant.time = name.substr(0, dot);
  if (const size_t under = parsed.instant.time.find('_'); under != std::string::npos) {
    parsed.instant.completion = parsed.instant.time.substr(under + 1);
    parsed.instant.time.resize(under);
    if (!IsDigits(parsed.instant.completion)) return std::nullopt;
  }
  if (!IsDigits(parsed.instant.time)) return std::nullopt;
  std::string_view rest = std::string_view(name).substr(dot + 1);
  parsed.completed = true;
  for (const std::string_view state : {".requested", ".inflight"}) {
    if (!rest.ends_with(state)) continue;
    rest.remove_suffix(state.size());
    parsed.completed = false;
  }
  if (rest == "inflight") {  // of a commit, which is not named
    rest = "commit";
    parsed.completed = false;
  }
  parsed.instant.action = rest;
  return parsed;
}

Result<json::object> ReadMetadata(FileSystem* file_system, const std::string& file) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, file_system->ReadFile(file));
  if (text.empty()) return json::object();  // of a write that had nothing to say
  if (!text.starts_with("Obj")) return ParseJsonObject(text);
  ARROW_ASSIGN_OR_RAISE(const std::vector<json::value> items, ReadAvroFile(text));
  if (items.size() != 1 || !items[0].is_object()) {
    return Status::Invalid(items.size(), " items where one record must be");
  }
  return items[0].as_object();
}

Result<HudiWrite> WriteOf(const json::object& metadata) {
  HudiWrite write;
  ARROW_ASSIGN_OR_RAISE(const auto operation, FindString(metadata, "operationType"));
  write.operation = operation.value_or("");
  for (char& letter : write.operation) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  ARROW_ASSIGN_OR_RAISE(const json::object extra, FindObject(metadata, "extraMetadata"));
  ARROW_ASSIGN_OR_RAISE(const auto schema, FindString(extra, "schema"));
  write.schema = schema.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto by_id, FindString(extra, "latest_schema"));
  write.evolved_by_id = !by_id.value_or("").empty();
  ARROW_ASSIGN_OR_RAISE(const json::object partitions,
                        FindObject(metadata, "partitionToWriteStats"));
  for (const auto& [partition, stats] : partitions) {
    if (!stats.is_array()) return Status::Invalid("partitionToWriteStats is not of lists");
    for (const json::value& item : stats.as_array()) {
      if (!item.is_object()) return Status::Invalid("a write stat is no object");
      const auto count = [&](const char* name) -> Result<int64_t> {
        ARROW_ASSIGN_OR_RAISE(const auto rows, FindInt(item.as_object(), name));
        return std::max<int64_t>(rows.value_or(0), 0);
      };
      ARROW_ASSIGN_OR_RAISE(const int64_t inserted, count("numInserts"));
      ARROW_ASSIGN_OR_RAISE(const int64_t updated, count("numUpdateWrites"));
      ARROW_ASSIGN_OR_RAISE(const int64_t deleted, count("numDeletes"));
      write.rows_inserted += inserted;
      write.rows_updated += updated;
      write.rows_deleted += deleted;
    }
  }
  ARROW_ASSIGN_OR_RAISE(const json::object replaced,
                        FindObject(metadata, "partitionToReplaceFileIds"));
  for (const auto& [partition, ids] : replaced) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> groups, FindStrings(replaced, partition));
    for (const std::string& group : groups) write.replaced.emplace(partition, group);
  }
  return write;
}

}  // namespace

int64_t HudiInstant::version() const { return NumberOf(time); }

Status HudiTimeline::ReadProperties(FileSystem* file_system) {
  const std::string file = JoinPath(folder_, ".hoodie/hoodie.properties");
  auto text = file_system->ReadFile(file);
  // While a writer changes the properties, the old ones are in a copy.
  if (!text.ok()) text = file_system->ReadFile(file + ".backup");
  if (!text.ok()) {
    return Status::KeyError("there is no Hudi table in '", folder_,
                            "': it has no .hoodie/hoodie.properties");
  }
  properties_ = ParseProperties(*text);
  const auto property = [&](const char* name, const char* otherwise) {
    const auto found = properties_.find(name);
    return found == properties_.end() ? std::string(otherwise) : found->second;
  };
  const auto refuse = [&](const auto&... words) {
    return Status::NotImplemented("the Hudi table in '", folder_, "' ", words...);
  };
  const std::string version = property("hoodie.table.version", "1");
  if (!IsDigits(version) || NumberOf(version) > kNewestVersion || NumberOf(version) == 7) {
    return refuse("has version ", ShortText(version), "; known are 1 to 6, 8 and ",
                  kNewestVersion);
  }
  version_ = NumberOf(version);
  const std::string format = property("hoodie.table.base.file.format", "PARQUET");
  if (format != "PARQUET" ||
      property("hoodie.table.multiple.base.file.formats.enable", "false") == "true") {
    return refuse("keeps rows in files of the format ", format, "; only Parquet is read");
  }
  if (!property("hoodie.bootstrap.base.path", "").empty()) {
    return refuse("was bootstrapped: its rows are in two files each; rewrite it, or read the "
                  "files that it was made of");
  }
  if (property("hoodie.datasource.write.drop.partition.columns", "false") == "true") {
    return refuse("keeps its partition columns in paths alone "
                  "(hoodie.datasource.write.drop.partition.columns)");
  }
  create_schema_ = property("hoodie.table.create.schema", "");
  return Status::OK();
}

Status HudiTimeline::List(FileSystem* file_system, const std::string& folder) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system->List(folder));
  std::set<std::string> savepoints, begun;
  for (const FileInfo& file : files) {
    auto name = file.is_directory ? std::nullopt : ParseName(file.name);
    if (!name) continue;
    HudiInstant& instant = name->instant;
    instant.file = JoinPath(folder, file.name);
    if (!name->completed) {
      if (BecomesWrite(instant.action)) begun.insert(instant.time);
    } else if (IsWrite(instant.action)) {
      completed_[instant.time] = instant.completion;
      writes_.push_back(std::move(instant));
    } else if (instant.action == "clean") {
      cleans_.push_back(std::move(instant));
    } else if (instant.action == "savepoint") {
      savepoints.insert(instant.time);
    }
  }
  // Files of the states before are there still when a write is done.
  for (const std::string& time : begun) {
    if (!completed_.contains(time)) pending_.insert(time);
  }
  std::sort(writes_.begin(), writes_.end(),
            [](const HudiInstant& a, const HudiInstant& b) { return a.time < b.time; });
  // A write with a savepoint stays while later ones are archived.
  const auto first =
      std::find_if(writes_.begin(), writes_.end(),
                   [&](const HudiInstant& write) { return !savepoints.contains(write.time); });
  if (first != writes_.end()) first_ = first->time;
  return Status::OK();
}

Result<HudiTimeline> HudiTimeline::Read(FileSystem* file_system, const std::string& folder) {
  HudiTimeline timeline;
  timeline.folder_ = folder;
  ARROW_RETURN_NOT_OK(timeline.ReadProperties(file_system));
  std::string where = JoinPath(folder, ".hoodie");
  if (timeline.version_ >= 8) {
    const auto path = timeline.properties_.find("hoodie.timeline.path");
    where = JoinPath(where, path == timeline.properties_.end() ? "timeline" : path->second);
  }
  ARROW_RETURN_NOT_OK(timeline.List(file_system, where));
  return timeline;
}

std::string HudiTimeline::PropertyOf(const std::string& name) const {
  const auto found = properties_.find(name);
  return found == properties_.end() ? "" : found->second;
}

bool HudiTimeline::IsCommitted(const std::string& time) const {
  if (pending_.contains(time)) return false;
  return completed_.contains(time) || (!first_.empty() && time < first_);
}

std::string HudiTimeline::CompletionOf(const std::string& time) const {
  const auto found = completed_.find(time);
  return found == completed_.end() ? "" : found->second;
}

Result<int64_t> HudiTimeline::TimeOf(const HudiInstant& write) const {
  const std::string& text = write.completion.empty() ? write.time : write.completion;
  if (text.size() != kSecondsDigits && text.size() != kMillisDigits) {
    return Status::Invalid("the Hudi table in '", folder_, "' has an instant '", text,
                           "' that is no time");
  }
  const auto part = [&](size_t begin, size_t size) {
    return static_cast<int>(NumberOf(std::string_view(text).substr(begin, size)));
  };
  std::tm parts = {};
  parts.tm_year = part(0, 4) - 1900;
  parts.tm_mon = part(4, 2) - 1;
  parts.tm_mday = part(6, 2);
  parts.tm_hour = part(8, 2);
  parts.tm_min = part(10, 2);
  parts.tm_sec = part(12, 2);
  parts.tm_isdst = -1;
  const auto zone = properties_.find("hoodie.table.timeline.timezone");
  const bool utc = zone != properties_.end() && zone->second == "UTC";
  const int64_t seconds = utc ? ::timegm(&parts) : ::mktime(&parts);
  // Times of a whole second are those of old versions, which wrote no more of them.
  const int millis = text.size() == kMillisDigits ? part(kSecondsDigits, 3) : 999;
  return (seconds * 1000 + millis) * 1000;
}

Result<HudiWrite> HudiTimeline::Describe(FileSystem* file_system, const HudiInstant& write) const {
  auto described = [&]() -> Result<HudiWrite> {
    ARROW_ASSIGN_OR_RAISE(const json::object metadata, ReadMetadata(file_system, write.file));
    return WriteOf(metadata);
  }();
  if (!described.ok()) return Explain(described.status(), "Hudi commit '" + write.file + "'");
  return described;
}

Result<std::vector<std::string>> HudiTimeline::Cleaned(FileSystem* file_system,
                                                       const HudiInstant& clean) const {
  auto cleaned = [&]() -> Result<std::vector<std::string>> {
    ARROW_ASSIGN_OR_RAISE(const json::object metadata, ReadMetadata(file_system, clean.file));
    ARROW_ASSIGN_OR_RAISE(const json::object partitions,
                          FindObject(metadata, "partitionMetadata"));
    std::vector<std::string> paths;
    for (const auto& [partition, item] : partitions) {
      if (!item.is_object()) return Status::Invalid("partitionMetadata is not of objects");
      ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> files,
                            FindStrings(item.as_object(), "successDeleteFiles"));
      for (const std::string& file : files) {
        // Some versions write whole paths here, others the name alone.
        const std::string name = file.substr(file.rfind('/') + 1);
        paths.push_back(partition.empty() ? name : JoinPath(std::string(partition), name));
      }
    }
    return paths;
  }();
  if (!cleaned.ok()) return Explain(cleaned.status(), "Hudi cleaning '" + clean.file + "'");
  return cleaned;
}

}  // namespace tercet
