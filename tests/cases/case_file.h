#pragma once

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>

#include "base/time_text.h"
#include "catalog/feature_group.h"
#include "catalog/feature_view.h"

namespace tercet {

/// A case file as data: README.md beside this file says how one is written.
struct CaseFile {
  using Row = std::vector<std::string>;
  struct Step {
    enum Kind { kInsert, kDelete, kCompact } kind;
    std::string group;
    InsertMode mode = InsertMode::kUpsert;
    std::vector<Row> rows;
  };

  std::string title;
  std::vector<FeatureGroupDefinition> groups;
  std::vector<Step> steps;
  FeatureViewDefinition view;
  bool has_spine = false;
  Row spine_columns, expect_columns, status_columns;
  std::vector<Row> spine, expect, status;
  std::string error;  ///< part of the message with which making or reading the view fails

  static Result<CaseFile> Read(const std::string& path);
};

namespace case_text {

/// Words of a line: separated by blanks; '…' and "…" and […] and {…} hold blanks. A # begins a
/// comment. Quotes are kept on the word.
inline std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  int depth = 0;
  for (const char c : line) {
    if (quote == 0 && depth == 0 && c == '#') break;
    if (quote == 0 && depth == 0 && (c == ' ' || c == '\t')) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
      continue;
    }
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '[' || c == '{' || c == '(' || c == '<') {
      ++depth;
    } else if (c == ']' || c == '}' || c == ')' || c == '>') {
      --depth;
    }
    word += c;
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

inline std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

inline std::optional<std::string> Option(const std::vector<std::string>& words,
                                         const std::string& name) {
  for (const std::string& word : words) {
    if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
  }
  return std::nullopt;
}

inline bool Has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

inline Result<std::shared_ptr<arrow::DataType>> TypeOf(const std::string& text) {
  if (text == "time") return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return TypeFromText(text);
}

/// "05:30" is that time of 2024-01-01; anything else is ISO 8601.
inline Result<int64_t> TimeOf(const std::string& text) {
  return ParseTime(text.find('-') == std::string::npos ? "2024-01-01 " + text : text);
}

/// A word as a JSON value of a type.
inline Result<std::string> ToJson(const std::string& word, const arrow::DataType& type) {
  if (word == "null") return word;
  switch (type.id()) {
    case arrow::Type::TIMESTAMP: {
      ARROW_ASSIGN_OR_RAISE(const int64_t us, TimeOf(word));
      switch (static_cast<const arrow::TimestampType&>(type).unit()) {
        case arrow::TimeUnit::SECOND:
          return std::to_string(us / 1'000'000);
        case arrow::TimeUnit::MILLI:
          return std::to_string(us / 1000);
        case arrow::TimeUnit::MICRO:
          return std::to_string(us);
        default:
          return std::to_string(us * 1000);
      }
    }
    case arrow::Type::DATE32: {
      ARROW_ASSIGN_OR_RAISE(const int64_t us, TimeOf(word));
      return std::to_string(us / 86'400'000'000);
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING: {
      const bool quoted = word.size() >= 2 && word.front() == '\'' && word.back() == '\'';
      return ToText(json::value(quoted ? word.substr(1, word.size() - 2) : word));
    }
    case arrow::Type::DECIMAL128:
      return '"' + word + '"';
    default:
      return word;
  }
}

/// Rows of words as a batch.
inline Result<std::shared_ptr<arrow::RecordBatch>> ToBatch(
    const std::vector<CaseFile::Row>& rows, const std::shared_ptr<arrow::Schema>& schema) {
  std::string text;
  for (const CaseFile::Row& row : rows) {
    if (row.size() != static_cast<size_t>(schema->num_fields())) {
      return Status::Invalid("a row of ", row.size(), " values for columns ", schema->ToString());
    }
    text += text.empty() ? "[" : ", [";
    for (size_t i = 0; i < row.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const std::string value,
                            ToJson(row[i], *schema->field(static_cast<int>(i))->type()));
      text += (i == 0 ? "" : ", ") + value;
    }
    text += "]";
  }
  ARROW_ASSIGN_OR_RAISE(const auto array, arrow::json::ArrayFromJSONString(
                                              arrow::struct_(schema->fields()), "[" + text + "]"));
  ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::RecordBatch::FromStructArray(array));
  return batch->ReplaceSchemaMetadata(nullptr);
}

inline Result<GroupSelection> Selection(const std::vector<std::string>& words) {
  GroupSelection selection;
  ARROW_ASSIGN_OR_RAISE(selection.group, Ref::Parse(words.at(1)));
  if (selection.group.version == 0) selection.group.version = 1;
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i].find('=') == std::string::npos && words[i] != "inner" && words[i] != "through") {
      selection.features.push_back(words[i]);
    }
  }
  for (const std::string& pair : Split(Option(words, "on").value_or(""), ',')) {
    const auto names = Split(pair, ':');
    selection.on.emplace_back(names.front(), names.back());
  }
  selection.prefix = Option(words, "prefix").value_or("");
  if (const auto ttl = Option(words, "ttl")) {
    ARROW_ASSIGN_OR_RAISE(selection.ttl_us, ParseDuration(*ttl));
  }
  if (const auto lag = Option(words, "lag")) {
    ARROW_ASSIGN_OR_RAISE(selection.lag_us, ParseDuration(*lag));
  }
  if (const auto horizon = Option(words, "horizon")) {
    ARROW_ASSIGN_OR_RAISE(selection.horizon_us, ParseDuration(*horizon));
  }
  selection.from = Option(words, "from").value_or("");
  selection.through = Has(words, "through");
  if (Has(words, "inner")) selection.type = JoinType::kInner;
  return selection;
}

inline Status ViewLine(const std::string& line, FeatureViewDefinition* view) {
  const std::vector<std::string> words = Words(line);
  const std::string& what = words.front();
  if (what == "root" || what == "join") {
    ARROW_ASSIGN_OR_RAISE(GroupSelection selection, Selection(words));
    if (what == "root") {
      view->root = std::move(selection);
    } else {
      view->joins.push_back(std::move(selection));
    }
  } else if (what == "parameter") {
    view->request_parameters.emplace_back(words.at(1), words.at(2));
  } else if (what == "on_demand") {
    const size_t equals = line.find('=');
    view->on_demand.emplace_back(words.at(1), line.substr(equals + 2));
  } else if (what == "filter") {
    view->filter = line.substr(line.find("filter") + 7);
  } else if (what == "label") {
    view->labels.assign(words.begin() + 1, words.end());
  } else if (what == "helper") {
    view->helper_columns.assign(words.begin() + 1, words.end());
  } else if (what == "transform") {
    TransformationDefinition transformation{.kind = words.at(1), .columns = {}, .options = {}};
    for (size_t i = 2; i < words.size(); ++i) {
      if (words[i].front() == '{') {
        ARROW_ASSIGN_OR_RAISE(transformation.options, ParseJsonObject(words[i]));
      } else {
        transformation.columns.push_back(words[i]);
      }
    }
    view->transformations.push_back(std::move(transformation));
  } else {
    return Status::Invalid("a view has no '", what, "'");
  }
  return Status::OK();
}

}  // namespace case_text

inline Result<CaseFile> CaseFile::Read(const std::string& path) {
  using case_text::Has, case_text::Option, case_text::Split, case_text::Words;
  CaseFile file;
  file.view.name = "case";
  std::ifstream stream(path);
  std::string block;
  for (std::string line; std::getline(stream, line);) {
    if (file.title.empty() && line.starts_with("# ")) file.title = line.substr(2);
    const std::vector<std::string> words = Words(line);
    if (words.empty()) continue;
    if (line.front() != ' ') {
      block = words[0];
      if (block == "group") {
        FeatureGroupDefinition group{.name = words.at(1)};
        group.primary_key = Split(Option(words, "key").value_or(""), ',');
        group.event_time = Option(words, "time").value_or("");
        group.online = !Has(words, "offline");
        group.schema = arrow::schema(arrow::FieldVector{});
        if (const auto ttl = Option(words, "ttl")) {
          ARROW_ASSIGN_OR_RAISE(group.ttl_us, ParseDuration(*ttl));
        }
        file.groups.push_back(std::move(group));
      } else if (block == "insert") {
        Step step{.kind = Step::kInsert, .group = words.at(1), .rows = {}};
        if (words.size() > 2) {
          ARROW_ASSIGN_OR_RAISE(step.mode, InsertModeFromName(words[2]));
        }
        file.steps.push_back(std::move(step));
      } else if (block == "delete" || block == "compact") {
        file.steps.push_back({.kind = block == "delete" ? Step::kDelete : Step::kCompact,
                              .group = words.at(1),
                              .rows = {}});
      } else if (block == "error") {
        file.error = line.substr(6);
      } else if (block == "spine") {
        file.has_spine = true;
      } else if (block != "view" && block != "expect" && block != "status") {
        return Status::Invalid(path, ": there is no block '", block, "'");
      }
    } else if (block == "group") {
      auto& schema = file.groups.back().schema;
      for (const std::string& word : words) {
        const size_t colon = word.find(':');
        ARROW_ASSIGN_OR_RAISE(const auto type, case_text::TypeOf(word.substr(colon + 1)));
        ARROW_ASSIGN_OR_RAISE(schema, schema->AddField(schema->num_fields(),
                                                       arrow::field(word.substr(0, colon), type)));
      }
    } else if (block == "insert" || block == "delete") {
      file.steps.back().rows.push_back(words);
    } else if (block == "view") {
      ARROW_RETURN_NOT_OK(
          case_text::ViewLine(line.substr(line.find_first_not_of(' ')), &file.view));
    } else {
      Row& columns = block == "spine"    ? file.spine_columns
                     : block == "expect" ? file.expect_columns
                                         : file.status_columns;
      auto& rows = block == "spine" ? file.spine : block == "expect" ? file.expect : file.status;
      if (columns.empty()) {
        columns = words;
      } else {
        rows.push_back(words);
      }
    }
  }
  if (file.groups.empty()) return Status::Invalid(path, ": no group");
  return file;
}

}  // namespace tercet
