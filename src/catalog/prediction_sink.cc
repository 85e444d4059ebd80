#include "catalog/prediction_sink.h"

#include <algorithm>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {"file", "postgres", "kafka"};
  return kinds;
}

/// What may stand in a connection string. Its other words name files (sslkey, passfile, service) or
/// change what a session does (options).
const std::vector<std::string>& ConnectionWords() {
  static const std::vector<std::string> words = {"host",   "hostaddr", "port",
                                                 "dbname", "user",     "sslmode"};
  return words;
}

/// "host=… port=…", its values without spaces or quotes.
Status CheckConnection(const std::string& connection) {
  for (size_t at = 0; at < connection.size();) {
    if (connection[at] == ' ') {
      ++at;
      continue;
    }
    const size_t end = std::min(connection.find(' ', at), connection.size());
    const std::string setting = connection.substr(at, end - at);
    at = end;
    const size_t equals = setting.find('=');
    const std::string word = setting.substr(0, std::min(equals, size_t{40}));
    const auto& words = ConnectionWords();
    if (equals == std::string::npos || std::find(words.begin(), words.end(), word) == words.end()) {
      return Status::Invalid("a postgres sink is given as 'host=… port=… dbname=… user=…' (and "
                             "sslmode), not with '", word, "'", Suggest(word, words),
                             "; PGPASSWORD or ~/.pgpass of the process that writes has the "
                             "password");
    }
    if (setting.find_first_of("'\\") != std::string::npos) {
      return Status::Invalid("the ", word, " of a postgres sink may have no quotes or backslashes");
    }
  }
  return Status::OK();
}

}  // namespace

json::object PredictionSink::ToJson() const {
  json::object object = {{"kind", kind}, {"location", location}};
  if (!target.empty()) object["target"] = target;
  if (!format.empty()) object["format"] = format;
  if (file_mb != 0) object["file_mb"] = file_mb;
  if (file_seconds != 0) object["file_seconds"] = file_seconds;
  return object;
}

Result<PredictionSink> PredictionSink::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "sink", object, {"kind", "location", "target", "format", "file_mb", "file_seconds"}));
  PredictionSink sink;
  ARROW_ASSIGN_OR_RAISE(sink.kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(sink.location, GetString(object, "location"));
  ARROW_ASSIGN_OR_RAISE(const auto target, FindString(object, "target"));
  sink.target = target.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto format, FindString(object, "format"));
  sink.format = format.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto file_mb, FindInt(object, "file_mb"));
  sink.file_mb = file_mb.value_or(0);
  ARROW_ASSIGN_OR_RAISE(const auto file_seconds, FindInt(object, "file_seconds"));
  sink.file_seconds = file_seconds.value_or(0);
  ARROW_RETURN_NOT_OK(sink.Check());
  return sink;
}

Status PredictionSink::Check() const {
  if (std::find(Kinds().begin(), Kinds().end(), kind) == Kinds().end()) {
    return Status::Invalid("there is no kind of sink '", ShortText(kind), "'",
                           Suggest(kind, Kinds()));
  }
  constexpr size_t kMostBytes = 1000;
  if (location.empty() || location.size() > kMostBytes || target.size() > kMostBytes) {
    return Status::Invalid("a ", kind, " sink needs a location, of at most ", kMostBytes, " bytes");
  }
  if (location.find('\0') != std::string::npos || target.find('\0') != std::string::npos) {
    return Status::Invalid("a sink's names may not have NUL bytes");
  }
  if (kind == "file") {
    if (location.front() != '/') {
      return Status::Invalid("a file sink needs the absolute path of a folder, not '", location,
                             "'");
    }
    if (!target.empty()) {
      return Status::Invalid("a file sink is a folder, but '", target, "' is given besides");
    }
    return CheckFiles();
  }
  if (!format.empty() || file_mb != 0 || file_seconds != 0) {
    return Status::Invalid("a ", kind, " sink has no files: format, file_mb and file_seconds are "
                           "for a file sink");
  }
  if (target.empty()) {
    return Status::Invalid("a ", kind, " sink needs the name of a ",
                           kind == "kafka" ? "topic" : "table");
  }
  return kind == "postgres" ? CheckConnection(location) : Status::OK();
}

Status PredictionSink::CheckFiles() const {
  const std::vector<std::string> formats = {"jsonl", "parquet"};
  if (!format.empty() && format != "jsonl" && format != "parquet") {
    return Status::Invalid("a file sink has no format '", ShortText(format, 40), "'",
                           Suggest(format, formats));
  }
  constexpr int64_t kMostMb = 4096, kMostSeconds = 7 * 86'400;
  if (file_mb < 0 || file_mb > kMostMb || file_seconds < 0 || file_seconds > kMostSeconds) {
    return Status::Invalid("a file sink's file_mb is ", file_mb, " and its file_seconds ",
                           file_seconds, "; they must be between 0 and ", kMostMb, " and ",
                           kMostSeconds);
  }
  return Status::OK();
}

std::string PredictionSink::ToText() const {
  std::string text = kind + " " + location;
  for (const std::string& more : {target, format}) {
    if (!more.empty()) text += " " + more;
  }
  return text;
}

json::object PredictionSinkStatistics::ToJson() const {
  return {{"sink", sink},       {"waiting", waiting}, {"written", written},
          {"dropped", dropped}, {"failed", failed},   {"retries", retries},
          {"last_error", last_error}};
}

Result<PredictionSinkStatistics> PredictionSinkStatistics::FromJson(const json::object& object) {
  PredictionSinkStatistics statistics;
  ARROW_ASSIGN_OR_RAISE(statistics.sink, GetString(object, "sink"));
  ARROW_ASSIGN_OR_RAISE(statistics.waiting, GetInt(object, "waiting"));
  ARROW_ASSIGN_OR_RAISE(statistics.written, GetInt(object, "written"));
  ARROW_ASSIGN_OR_RAISE(statistics.dropped, GetInt(object, "dropped"));
  ARROW_ASSIGN_OR_RAISE(statistics.failed, GetInt(object, "failed"));
  ARROW_ASSIGN_OR_RAISE(statistics.retries, GetInt(object, "retries"));
  ARROW_ASSIGN_OR_RAISE(statistics.last_error, GetString(object, "last_error"));
  return statistics;
}

}  // namespace tercet
