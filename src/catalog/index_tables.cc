#include "catalog/index_tables.h"

#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "catalog/object_name.h"
#include "catalog/search_documents.h"

namespace tercet {
namespace {

/// `words` has a row for each of `documents`, under the same number. Weights of words' columns, in
/// their order, say that a name tells most.
constexpr const char* kSchema = R"sql(
CREATE TABLE annotations (
  entry       INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
  feature     TEXT NOT NULL,
  description TEXT,
  owner       TEXT,
  tags        TEXT,
  PRIMARY KEY (entry, feature)) WITHOUT ROWID;
CREATE TABLE documents (
  id          INTEGER PRIMARY KEY,
  entry       INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
  kind        TEXT NOT NULL,
  feature     TEXT NOT NULL,
  description TEXT NOT NULL,
  owner       TEXT NOT NULL,
  tags        TEXT NOT NULL);
CREATE INDEX documents_of ON documents (entry);
CREATE VIRTUAL TABLE words USING fts5(
  name, features, description, owner, tags, tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TABLE steps (
  target      INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  text_sha256 TEXT NOT NULL,
  columns     TEXT NOT NULL,
  PRIMARY KEY (target, name)) WITHOUT ROWID;
CREATE TRIGGER document_gone AFTER DELETE ON documents BEGIN
  DELETE FROM words WHERE rowid = old.id;
END;
)sql";

constexpr const char* kWeights = "bm25(words, 10.0, 4.0, 3.0, 2.0, 2.0)";

std::string WordsOf(const std::map<std::string, std::string>& tags) {
  std::string words;
  for (const auto& [name, value] : tags) words += name + " " + value + " ";
  return words;
}

/// [["weather@1", "temp"], …]
json::array PairsToJson(const std::vector<std::pair<std::string, std::string>>& pairs) {
  json::array array;
  for (const auto& [group, column] : pairs) array.push_back(json::array{group, column});
  return array;
}

Result<std::vector<std::pair<std::string, std::string>>> FindPairs(const json::object& object,
                                                                   std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::array array, FindArray(object, key));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const json::value& item : array) {
    const json::array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
        !(*pair)[1].is_string()) {
      return Status::IOError("the catalog's record of a SQL step is damaged: ",
                             ShortText(ToText(item)), " is no column of a group");
    }
    pairs.emplace_back((*pair)[0].as_string(), (*pair)[1].as_string());
  }
  return pairs;
}

Result<std::map<std::string, std::string>> TagsFrom(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
  const json::object whole = {{"tags", object}};
  return FindStringMap(whole, "tags");
}

}  // namespace

const char* IndexTables::Schema() { return kSchema; }

Status IndexTables::PutStep(int64_t target, const StepColumns& step) {
  json::object columns;
  for (const auto& [column, sources] : step.columns) columns[column] = PairsToJson(sources);
  const json::object all = {{"columns", std::move(columns)}, {"rows", PairsToJson(step.rows)}};
  return database_->Run(
      "INSERT INTO steps (target, name, text_sha256, columns) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (target, name) DO UPDATE SET text_sha256 = excluded.text_sha256, "
      "columns = excluded.columns",
      target, step.name, step.text_sha256, ToText(all));
}

Result<std::vector<StepColumns>> IndexTables::Steps() {
  ARROW_ASSIGN_OR_RAISE(
      auto query,
      database_->Prepare("SELECT e.name, e.version, s.name, s.text_sha256, s.columns FROM steps s "
                         "JOIN entries e ON e.id = s.target ORDER BY e.name, e.version, s.name"));
  std::vector<StepColumns> steps;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return steps;
    StepColumns& step = steps.emplace_back();
    step.target = Ref{std::string(query.Text(0)), query.Int(1)}.ToText();
    step.name = query.Text(2);
    step.text_sha256 = query.Text(3);
    ARROW_ASSIGN_OR_RAISE(const json::object all, ParseJsonObject(query.Text(4)));
    ARROW_ASSIGN_OR_RAISE(const json::object columns, FindObject(all, "columns"));
    for (const auto& member : columns) {
      ARROW_ASSIGN_OR_RAISE(step.columns[member.key()], FindPairs(columns, member.key()));
    }
    ARROW_ASSIGN_OR_RAISE(step.rows, FindPairs(all, "rows"));
  }
}

Status IndexTables::Index(int64_t entry, Kind kind, const Ref& ref, const json::object& definition,
                          const std::optional<std::vector<std::string>>& columns) {
  ARROW_ASSIGN_OR_RAISE(const Annotation said, Read(entry, definition));
  ARROW_RETURN_NOT_OK(database_->Run("DELETE FROM documents WHERE entry = ?", entry));
  for (const SearchDocument& document :
       DocumentsOf(kind, ref, definition, columns ? *columns : ColumnsIn(kind, definition), said)) {
    ARROW_RETURN_NOT_OK(database_->Run(
        "INSERT INTO documents (entry, kind, feature, description, owner, tags) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        entry, document.kind, document.feature, document.description, document.owner,
        ToText(ToJsonObject(document.tags))));
    ARROW_RETURN_NOT_OK(database_->Run(
        "INSERT INTO words (rowid, name, features, description, owner, tags) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        database_->last_insert_id(), document.name, document.features, document.description,
        document.owner, WordsOf(document.tags)));
  }
  return Status::OK();
}

Status IndexTables::FollowDefinition(int64_t entry, const json::object& before,
                                     const json::object& after) {
  const Annotation was = DeclaredIn(before), is = DeclaredIn(after);
  if (was.description != is.description) {
    ARROW_RETURN_NOT_OK(database_->Run(
        "UPDATE annotations SET description = NULL WHERE entry = ? AND feature = ''", entry));
  }
  if (was.tags != is.tags) {
    ARROW_RETURN_NOT_OK(database_->Run(
        "UPDATE annotations SET tags = NULL WHERE entry = ? AND feature = ''", entry));
  }
  return Status::OK();
}

Result<Annotation> IndexTables::Read(int64_t entry, const json::object& definition) {
  Annotation said = DeclaredIn(definition);
  ARROW_ASSIGN_OR_RAISE(
      auto query,
      database_->Prepare("SELECT feature, description IS NOT NULL, coalesce(description, ''), "
                         "owner IS NOT NULL, coalesce(owner, ''), tags IS NOT NULL, "
                         "coalesce(tags, '{}') FROM annotations WHERE entry = ?"));
  query.Bind(entry);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return said;
    const std::string feature(query.Text(0));
    Annotation& of = feature.empty() ? said : said.features[feature];
    if (query.Int(1) != 0) of.description = query.Text(2);
    if (query.Int(3) != 0) of.owner = query.Text(4);
    if (query.Int(5) != 0) {
      ARROW_ASSIGN_OR_RAISE(of.tags, TagsFrom(query.Text(6)));
    }
    if (!feature.empty() && of.empty()) said.features.erase(feature);
  }
}

Status IndexTables::Set(int64_t entry, std::string_view feature, std::string_view column,
                        std::string_view value) {
  ARROW_RETURN_NOT_OK(database_->Run(
      "INSERT OR IGNORE INTO annotations (entry, feature) VALUES (?, ?)", entry, feature));
  return database_->Run(
      column == "description"
          ? "UPDATE annotations SET description = ? WHERE entry = ? AND feature = ?"
      : column == "owner" ? "UPDATE annotations SET owner = ? WHERE entry = ? AND feature = ?"
                          : "UPDATE annotations SET tags = ? WHERE entry = ? AND feature = ?",
      value, entry, feature);
}

Status IndexTables::Change(int64_t entry, const AnnotationChange& change) {
  if (change.description) {
    ARROW_RETURN_NOT_OK(Set(entry, "", "description", *change.description));
  }
  if (change.owner) ARROW_RETURN_NOT_OK(Set(entry, "", "owner", *change.owner));
  if (change.tags) {
    ARROW_RETURN_NOT_OK(Set(entry, "", "tags", ToText(ToJsonObject(*change.tags))));
  }
  for (const auto& [feature, description] : change.features) {
    ARROW_RETURN_NOT_OK(Set(entry, feature, "description", description));
  }
  return Status::OK();
}

Result<std::vector<std::string>> IndexTables::FeaturesOf(int64_t entry) {
  ARROW_ASSIGN_OR_RAISE(auto query,
                        database_->Prepare("SELECT feature FROM documents WHERE entry = ? AND "
                                           "feature <> '' ORDER BY feature"));
  query.Bind(entry);
  std::vector<std::string> features;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return features;
    features.emplace_back(query.Text(0));
  }
}

Result<std::vector<SearchHit>> IndexTables::Search(const SearchQuery& query, int64_t limit) {
  std::string sql =
      "SELECT d.kind, e.kind, e.name, e.version, d.feature, d.description, d.owner, d.tags, ";
  const bool by_words = !query.match.empty();
  // SQLite hands out numbers of ours as integers: a millionth is enough to rank by.
  sql += by_words ? "snippet(words, -1, '[', ']', '…', 12), CAST(-1e6 * " + std::string(kWeights) +
                        " AS INTEGER) AS score FROM words JOIN documents d ON d.id = words.rowid "
                        "JOIN entries e ON e.id = d.entry WHERE words MATCH ?"
                  : "'', 0 AS score FROM documents d JOIN entries e ON e.id = d.entry WHERE 1";
  if (query.kind) sql += " AND d.kind = ?";
  if (query.owner) sql += " AND d.owner = ? COLLATE NOCASE";
  for (const auto& [tag, value] : query.tags) {
    sql += " AND EXISTS (SELECT 1 FROM json_each(d.tags) t WHERE t.key = ?";
    sql += value ? " AND t.value = ?)" : ")";
  }
  sql += " ORDER BY score DESC, d.kind, e.name, e.version DESC, d.feature LIMIT ?";
  ARROW_ASSIGN_OR_RAISE(auto statement, database_->Prepare(sql));
  if (by_words) statement.Bind(query.match);
  if (query.kind) statement.Bind(*query.kind);
  if (query.owner) statement.Bind(*query.owner);
  for (const auto& [tag, value] : query.tags) {
    statement.Bind(tag);
    if (value) statement.Bind(*value);
  }
  statement.Bind(limit);
  std::vector<SearchHit> hits;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool row, statement.Step());
    if (!row) return hits;
    ARROW_ASSIGN_OR_RAISE(const Kind kind, KindFromName(statement.Text(1)));
    SearchHit& hit = hits.emplace_back();
    hit.kind = statement.Text(0);
    hit.name = NounName(kind, {std::string(statement.Text(2)), statement.Int(3)});
    hit.feature = statement.Text(4);
    hit.description = statement.Text(5);
    hit.owner = statement.Text(6);
    ARROW_ASSIGN_OR_RAISE(hit.tags, TagsFrom(statement.Text(7)));
    hit.snippet = statement.Text(8);
    hit.score = static_cast<double>(statement.Int(9)) / 1e6;
  }
}

}  // namespace tercet
