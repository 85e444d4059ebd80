#include "feature/sql_step.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include <arrow/compute/api_aggregate.h>
#include <arrow/table.h>

#include "base/hash.h"
#include "base/name.h"
#include "base/time_text.h"
#include "compute/sort_key.h"
#include "offline/sql_query.h"
#include "offline/sql_watermark.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

/// The first run's watermark: before every event time that a table may have.
constexpr char kBeginning[] = "0001-01-01";

std::string Trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::vector<std::string> ListOf(const std::string& text) {
  std::vector<std::string> items;
  std::stringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    if (!Trimmed(item).empty()) items.push_back(Trimmed(item));
  }
  return items;
}

/// "-- word: value" → (word, value); nullopt for a comment for people.
std::optional<std::pair<std::string, std::string>> HeaderLine(const std::string& line) {
  const size_t colon = line.find(':');
  if (!line.starts_with("--") || colon == std::string::npos) return std::nullopt;
  const std::string word = Trimmed(line.substr(2, colon - 2));
  const bool is_word = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::islower(static_cast<unsigned char>(c)) || c == '_';
  });
  if (!is_word) return std::nullopt;
  return std::pair(word, Trimmed(line.substr(colon + 1)));
}

Status Take(const std::string& word, const std::string& value, SqlStep* step) {
  if (word == "target") {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(value));
    step->target.name = ref.name;
    step->target.version = ref.version;
  } else if (word == "primary_key") {
    step->target.primary_key = ListOf(value);
  } else if (word == "event_time") {
    step->target.event_time = value;
  } else if (word == "ttl") {
    ARROW_ASSIGN_OR_RAISE(step->target.ttl_us, ParseDuration(value));
  } else if (word == "online") {
    if (value != "true" && value != "false") {
      return Status::Invalid("online is true or false, not '", value, "'");
    }
    step->target.online = value == "true";
  } else if (word == "description") {
    step->target.description = value;
  } else if (word == "mode") {
    ARROW_ASSIGN_OR_RAISE(step->mode, InsertModeFromName(value));
  } else if (word == "watermark") {
    ARROW_RETURN_NOT_OK(CheckColumnName(value));
    step->watermark = value;
  } else if (word == "name") {
    ARROW_RETURN_NOT_OK(CheckName("step", value));
    step->name = value;
  } else {
    return Status::Invalid("a step has no '", word, "'",
                           Suggest(word, {"target", "primary_key", "event_time", "ttl", "online",
                                          "description", "mode", "watermark", "name"}));
  }
  return Status::OK();
}

/// The largest time of a column, in microseconds; nullopt when all are null.
Result<std::optional<int64_t>> LargestTime(const arrow::Table& rows, const std::string& column) {
  const auto values = rows.GetColumnByName(column);
  if (values == nullptr) {
    return Status::KeyError("the query gives no column '", column, "' for the watermark",
                            Suggest(column, rows.ColumnNames()));
  }
  std::optional<int64_t> largest;
  for (const auto& chunk : values->chunks()) {
    ARROW_ASSIGN_OR_RAISE(const auto times, EventTimeMicros(*chunk));
    for (int64_t i = 0; i < times->length(); ++i) {
      if (times->IsValid(i)) largest = std::max(largest.value_or(times->Value(i)), times->Value(i));
    }
  }
  return largest;
}

/// The same for the same query over the same commits.
std::string ContentKey(const SqlStep& step, const std::map<std::string, int64_t>& pins) {
  std::string content = step.query;
  for (const auto& [group, version] : pins) content += "\n" + group + " " + std::to_string(version);
  return "sql step " + step.name + " of " + Sha256Hex(content);
}

/// The target as it is, or made as the step declares it.
Result<FeatureGroupDefinition> Target(FeatureTables* tables, const SqlStep& step) {
  if (step.target.primary_key.empty()) return tables->Definition(step.target.ref());
  return tables->Define(step.target);
}

}  // namespace

Result<SqlStep> SqlStep::Parse(const std::string& text) {
  SqlStep step;
  std::stringstream lines(text);
  bool in_header = true;
  for (std::string line; std::getline(lines, line);) {
    const std::string trimmed = Trimmed(line);
    in_header = in_header && (trimmed.empty() || trimmed.starts_with("--"));
    if (const auto entry = in_header ? HeaderLine(trimmed) : std::nullopt) {
      ARROW_RETURN_NOT_OK(Explain(Take(entry->first, entry->second, &step), "the step's header"));
    }
    step.query += line + "\n";  // with its comments, so that errors tell the file's lines
  }
  if (step.target.name.empty()) {
    return Status::Invalid("a step says where its rows go: begin it with '-- target: GROUP'");
  }
  if (!step.watermark.empty() && step.mode == InsertMode::kOverwrite) {
    return Status::Invalid("a step with a watermark adds what is new; 'mode: overwrite' would put "
                           "it in place of all that is there");
  }
  if (in_header) return Status::Invalid("the step has no query after its header");
  while (!step.query.empty() && (std::isspace(static_cast<unsigned char>(step.query.back())) ||
                                 step.query.back() == ';')) {
    step.query.pop_back();
  }
  if (step.name.empty()) step.name = step.target.name;
  return step;
}

Result<SqlStepResult> RunSqlStep(FeatureTables* tables, Ingest* ingest, const SqlStep& step,
                                 const SqlStepOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition target, Target(tables, step));
  const Result<std::shared_ptr<Table>> table = tables->Get(target.ref());
  if (!table.ok() && !table.status().IsKeyError()) return table.status();
  SqlStepResult result;
  SqlQueryOptions query_options = {.as_of_us = std::nullopt,
                                   .versions = {},
                                   .times = {},
                                   .files = {},
                                   .memory_limit_bytes = options.memory_limit_bytes,
                                   .time_limit_us = options.time_limit_us};
  std::string query = step.query;
  if (!step.watermark.empty()) {
    if (table.ok()) {
      ARROW_ASSIGN_OR_RAISE(result.watermark_us, LastWatermark(table->get(), step.name));
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t beginning, ParseTime(kBeginning));
    query_options.times["watermark"] = result.watermark_us.value_or(beginning);
    query = "SELECT * FROM (" + query + "\n) WHERE " + QuoteSqlName(step.watermark) +
            " > $watermark";
  }
  ARROW_ASSIGN_OR_RAISE(const SqlQueryAnswer answer, QuerySql(tables, query, query_options));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Table> rows, answer.rows->ToTable());
  result.pins = answer.pins;
  result.rows = rows->num_rows();
  InsertOptions insert = {.mode = step.mode, .idempotency_key = {}, .wait_online = false};
  if (step.watermark.empty()) {
    insert.idempotency_key = ContentKey(step, result.pins);
  } else if (result.rows > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto largest, LargestTime(*rows, step.watermark));
    result.watermark_us = *largest;  // a null is not past any watermark
    insert.idempotency_key = WatermarkKey(step.name, *largest);
  }
  if (result.rows == 0 && table.ok() && step.mode != InsertMode::kOverwrite) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, (*table)->Commits());
    if (!commits.empty()) result.commit = commits.back();
    result.commit.feature_group = target.ref();
    return result;
  }
  ARROW_ASSIGN_OR_RAISE(
      result.commit,
      ingest->Insert(target.ref(), std::make_shared<arrow::TableBatchReader>(rows), insert));
  if (result.commit.already_applied) result.rows = 0;
  return result;
}

}  // namespace tercet
