#include "offline/source_query.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string_view>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/type_traits.h>
#include <glob.h>
#include <stdlib.h>

#include "base/file_system.h"
#include "base/hash.h"
#include "source/iceberg_metadata.h"
#include "source/sql_lazy_tables.h"

namespace tercet {
namespace {

/// Folders of DuckDB's extension files, which sources of some kinds need.
constexpr char kExtensions[] = "TERCET_DUCKDB_EXTENSIONS";

/// The file of that very name, else what the pattern names, sorted.
std::vector<std::string> FilesOf(const std::string& pattern) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(pattern, ignored)) return {pattern};
  std::vector<std::string> files;
  glob_t found = {};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return files;
}

/// "main.weather" → "\"main\".\"weather\"".
std::string QuoteTable(const std::string& table) {
  const size_t dot = table.find('.');
  if (dot == std::string::npos) return QuoteSqlName(table);
  return QuoteSqlName(table.substr(0, dot)) + "." + QuoteSqlName(table.substr(dot + 1));
}

/// Finds an extension's file by one of its names; "" when it is in no folder.
std::string FindExtension(const std::vector<std::string>& names) {
  const char* folders = std::getenv(kExtensions);
  std::stringstream list(folders == nullptr ? "" : folders);
  for (std::string folder; std::getline(list, folder, ':');) {
    for (const std::string& name : names) {
      const std::string file = JoinPath(folder, name + ".duckdb_extension");
      std::error_code ignored;
      if (std::filesystem::exists(file, ignored)) return file;
    }
  }
  return "";
}

/// Links to extension files under the names that DuckDB asks for, which the PostgreSQL package does
/// not give them; in a folder that goes with the process.
class ExtensionLinks {
 public:
  ~ExtensionLinks() {
    std::error_code ignored;  // what is left is a link in the temporary folder
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  Result<std::string> LinkTo(const std::string& file, const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::error_code error;
    if (folder_.empty()) {
      std::string folder =
          (std::filesystem::temp_directory_path(error) / "tercet-extension-XXXXXX").string();
      if (::mkdtemp(folder.data()) == nullptr) {
        return Status::IOError("cannot make a temporary folder '", folder, "'");
      }
      folder_ = folder;
    }
    const std::string link = JoinPath(folder_, name + ".duckdb_extension");
    if (std::filesystem::exists(link, error)) return link;
    std::filesystem::create_symlink(std::filesystem::absolute(file), link, error);
    if (error) return Status::IOError("cannot link '", link, "': ", error.message());
    return link;
  }

 private:
  std::mutex mutex_;
  std::string folder_;  // guarded by mutex_
};

/// The statement that loads an extension which comes as the package duckdb-extension-`package`.
Result<std::string> LoadExtension(const std::string& package, const std::string& name) {
  std::string file = FindExtension({name, package});
  if (file.empty()) {
    return Status::NotImplemented("this source needs DuckDB's extension '", package,
                                  "': install the Python package duckdb-extension-", package,
                                  "==1.5.5, or set ", kExtensions,
                                  " to the folders of extension files, separated by ':'");
  }
  if (std::filesystem::path(file).stem() != name) {
    static ExtensionLinks links;
    ARROW_ASSIGN_OR_RAISE(file, links.LinkTo(file, name));
  }
  return "LOAD " + QuoteSqlText(file);
}

/// As many keys a query names one by one; more are joined with the rows that a source gives. A
/// database over the network finds more of them in its index than it sends rows.
constexpr int64_t kMostKeysListed = 1000, kMostKeysOfDatabase = 20'000;

/// What DuckDB's functions for Iceberg take.
std::string IcebergArguments(const DataSource& source, const std::optional<int64_t>& snapshot) {
  const std::string location = QuoteSqlText(source.location);
  return snapshot ? location + ", snapshot_from_id => " + std::to_string(*snapshot) : location;
}

Result<SourceRelation> RelationOf(const DataSource& source,
                                  const std::optional<int64_t>& snapshot) {
  const std::string location = QuoteSqlText(source.location);
  SourceRelation relation;
  if (source.kind == "duckdb") {
    relation.limits.setup = {"ATTACH " + location + " AS source (READ_ONLY)"};
    relation.name = "source." + QuoteTable(source.table);
  } else if (source.kind == "postgres") {
    ARROW_ASSIGN_OR_RAISE(const std::string load, LoadExtension("postgres", "postgres_scanner"));
    relation.limits.setup = {load, "ATTACH " + location + " AS source (TYPE postgres, READ_ONLY)"};
    relation.name = "source." + QuoteTable(source.table);
  } else if (source.kind == "iceberg") {
    for (const char* extension : {"avro", "iceberg"}) {
      ARROW_ASSIGN_OR_RAISE(relation.limits.setup.emplace_back(),
                            LoadExtension(extension, extension));
    }
    relation.limits.files = {IcebergFolder(source.location) + "/"};
    relation.name = "iceberg_scan(" + IcebergArguments(source, snapshot) + ")";
  } else {
    const std::vector<std::string> files = FilesOf(source.location);
    std::string list;
    for (const std::string& file : files) {
      list += (list.empty() ? "" : ", ") + QuoteSqlFile(file);
    }
    relation.limits.files = files;
    // Types are those of all values: one that is not a sample's integer would be rounded to it.
    const std::string inferred = source.kind == "csv"    ? ", header = true, sample_size = -1"
                                 : source.kind == "json" ? ", sample_size = -1"
                                                         : "";
    relation.name =
        "read_" + source.kind + "([" + list + "], union_by_name = true" + inferred + ")";
  }
  return relation;
}

bool IsOfFiles(const DataSource& source) {
  return source.kind == "parquet" || source.kind == "csv" || source.kind == "json";
}

/// An error of a query that we made, without its text: what is wrong is the source. Files that
/// can't be read are an IOError.
Status CannotRead(const DataSource& source, const Status& status) {
  constexpr std::string_view kBegin = "SQL: ";
  std::string message = status.message();
  if (!message.starts_with(kBegin)) return status;
  message.erase(0, kBegin.size());
  message.erase(std::min({message.size(), message.find("\nin: "), message.find("\nLINE ")}));
  while (message.ends_with('\n')) message.pop_back();
  const bool unreadable = IsOfFiles(source) && (status.IsInvalid() || status.IsUnknownError());
  return Status(unreadable ? arrow::StatusCode::IOError : status.code(),
                "cannot read the " + source.kind + " source '" + source.location + "': " + message);
}

/// What a query of ours says of a source.
Result<std::shared_ptr<arrow::Table>> Ask(const DataSource& source,
                                          const SourceRelation& relation, const std::string& query,
                                          const std::map<std::string, int64_t>& times = {}) {
  const auto answer = [&]() -> Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(const auto session, SqlSession::Open(relation.tables, relation.limits));
    ARROW_ASSIGN_OR_RAISE(const auto rows, session->Run(query, times));
    return rows->ToTable();
  }();
  if (!answer.ok()) return CannotRead(source, answer.status());
  return answer;
}

/// The columns of a relation that are text in DuckDB, too: others that Arrow shows as text (UUID,
/// JSON, enums) are not compared with any text without an error.
Result<std::set<std::string>> TextColumns(const DataSource& source,
                                          const SourceRelation& relation) {
  ARROW_ASSIGN_OR_RAISE(const auto table,
                        Ask(source, relation,
                            "SELECT column_name FROM (DESCRIBE SELECT * FROM " + relation.name +
                                ") WHERE column_type = 'VARCHAR'"));
  ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
  const auto& names = static_cast<const arrow::StringArray&>(*batch->column(0));
  std::set<std::string> texts;
  for (int64_t i = 0; i < names.length(); ++i) texts.insert(names.GetString(i));
  return texts;
}

bool IsText(const arrow::Array& keys) { return keys.type_id() == arrow::Type::STRING; }

/// The distinct values of a key column as SQL, separated by commas.
std::string ListOf(const arrow::Array& keys) {
  std::set<std::string> values;
  for (int64_t i = 0; i < keys.length(); ++i) {
    if (keys.IsNull(i)) continue;
    if (IsText(keys)) {
      values.insert(QuoteSqlText(static_cast<const arrow::StringArray&>(keys).GetString(i)));
    } else {
      values.insert(keys.GetScalar(i).ValueOrDie()->ToString());
    }
  }
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ", ") + value;
  return list;
}

/// Of keys the columns that sources compare as we do.
Result<std::shared_ptr<arrow::RecordBatch>> ComparedKeys(const DataSource& source,
                                                         const SourceRelation& relation,
                                                         const arrow::RecordBatch& keys) {
  std::set<std::string> texts;
  const auto is_text = [](const auto& column) { return IsText(*column); };
  if (std::any_of(keys.columns().begin(), keys.columns().end(), is_text)) {
    ARROW_ASSIGN_OR_RAISE(texts, TextColumns(source, relation));
  }
  std::vector<int> compared;
  for (int k = 0; k < keys.num_columns(); ++k) {
    const arrow::Array& column = *keys.column(k);
    const bool same = IsText(column) ? texts.contains(keys.column_name(k))
                                     : arrow::is_integer(column.type_id());
    if (same) compared.push_back(k);
  }
  return keys.SelectColumns(compared);
}

/// What rows of these keys fulfil, column by column (of a key of several columns other rows may,
/// too): a list of constants is what databases and file formats look up best.
std::string KeyCondition(const arrow::RecordBatch& keys) {
  std::string condition;
  for (int k = 0; k < keys.num_columns(); ++k) {
    const std::string list = ListOf(*keys.column(k));
    if (!list.empty()) {
      condition += " AND " + QuoteSqlName(keys.column_name(k)) + " IN (" + list + ")";
    }
  }
  return condition;
}

/// The rows of a relation that are of these keys, which become a table of its.
SourceRelation JoinKeys(SourceRelation relation, const std::shared_ptr<arrow::RecordBatch>& keys) {
  constexpr char kAsked[] = "asked keys";
  const auto tables = std::make_shared<SqlLazyTables>(relation.tables);
  tables->Add(kAsked, keys->schema(),
              [keys](const auto& columns) -> Result<std::shared_ptr<arrow::Table>> {
                ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({keys}));
                std::vector<int> wanted;
                for (const std::string& column : columns) {
                  wanted.push_back(table->schema()->GetFieldIndex(column));
                }
                return table->SelectColumns(wanted);
              });
  std::string names;
  for (const std::string& name : keys->schema()->field_names()) {
    names += (names.empty() ? "" : ", ") + QuoteSqlName(name);
  }
  relation.name += " AS source_rows SEMI JOIN feature_group(" + QuoteSqlText(kAsked) +
                   ") AS asked_keys USING (" + names + ")";
  relation.tables = tables;
  return relation;
}

/// A file's name, size and time of change.
std::string StateOf(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto changed = std::filesystem::last_write_time(path, ignored).time_since_epoch().count();
  const auto size = std::filesystem::is_regular_file(path, ignored)
                        ? std::filesystem::file_size(path, ignored)
                        : 0;
  return path.string() + " " + std::to_string(size) + " " + std::to_string(changed) + "\n";
}

}  // namespace

Result<SourceRelation> SourceQuery::Relation(std::optional<int64_t> start_us,
                                             std::optional<int64_t> end_us) const {
  if (relation_ != nullptr) return relation_(start_us, end_us);
  return RelationOf(source_, snapshot_);
}

Result<int64_t> SourceQuery::Fingerprint() const {
  if (source_.kind == "postgres") return 0;
  std::vector<std::string> files = FilesOf(source_.location);
  if (files.empty()) {
    return Status::KeyError("there is no file '", source_.location, "' for the ", source_.kind,
                            " source");
  }
  std::string states;
  for (const std::string& file : files) states += StateOf(file);
  // Positive, since versions count up from 0.
  return static_cast<int64_t>(Hash64(states) >> 2) + 1;
}

Result<std::shared_ptr<arrow::Schema>> SourceQuery::Schema() const {
  ARROW_ASSIGN_OR_RAISE(const SourceRelation relation, Relation(std::nullopt, std::nullopt));
  ARROW_ASSIGN_OR_RAISE(const auto none,
                        Ask(source_, relation, "SELECT * FROM " + relation.name + " LIMIT 0"));
  return none->schema();
}

Result<std::shared_ptr<arrow::Table>> SourceQuery::Read(const std::vector<std::string>& columns,
                                                        const TableOptions& options,
                                                        std::optional<int64_t> start_us,
                                                        std::optional<int64_t> end_us,
                                                        const arrow::RecordBatch* keys) const {
  ARROW_ASSIGN_OR_RAISE(SourceRelation relation, Relation(start_us, end_us));
  std::string of_keys;
  if (keys != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto compared, ComparedKeys(source_, relation, *keys));
    const int64_t most_listed = source_.kind == "postgres" ? kMostKeysOfDatabase : kMostKeysListed;
    if (compared->num_rows() <= most_listed) {
      of_keys = KeyCondition(*compared);
    } else if (compared->num_columns() > 0) {
      relation = JoinKeys(std::move(relation), compared);
    }
  }
  std::string query = "SELECT ";
  for (size_t i = 0; i < columns.size(); ++i) {
    query += (i == 0 ? "" : ", ") + QuoteSqlName(columns[i]);
  }
  query += " FROM " + relation.name + " WHERE true";
  std::vector<std::string> needed = options.primary_key;
  if (!options.event_time.empty()) needed.push_back(options.event_time);
  for (const std::string& column : needed) query += " AND " + QuoteSqlName(column) + " IS NOT NULL";
  std::map<std::string, int64_t> times;
  const auto bound = [&](const char* sign, const char* name, const std::optional<int64_t>& time) {
    if (!time) return;
    times[name] = *time;
    query += " AND " + QuoteSqlName(options.event_time) + sign + "$" + name;
  };
  bound(" >= ", "start", start_us);
  bound(" < ", "end", end_us);
  query += of_keys;
  return Ask(source_, relation, query, times);
}

}  // namespace tercet
