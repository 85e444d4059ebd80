#include "offline/source_query.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>

#include <glob.h>
#include <stdlib.h>

#include "base/file_system.h"
#include "base/hash.h"
#include "source/iceberg_metadata.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

/// Folders of DuckDB's extension files, which sources of some kinds need.
constexpr char kExtensions[] = "TERCET_DUCKDB_EXTENSIONS";

/// What a pattern names, sorted.
std::vector<std::string> FilesOf(const std::string& pattern) {
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

/// How a source is opened, and what its rows are then called.
struct Relation {
  std::string name;
  SqlLimits limits;
};

Result<Relation> RelationOf(const DataSource& source, const std::optional<int64_t>& snapshot) {
  const std::string location = QuoteSqlText(source.location);
  Relation relation;
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
    const std::string at =
        snapshot ? ", snapshot_from_id => " + std::to_string(*snapshot) : std::string();
    relation.name = "iceberg_scan(" + location + at + ")";
  } else {
    const std::vector<std::string> files = FilesOf(source.location);
    std::string list;
    for (const std::string& file : files) {
      list += (list.empty() ? "" : ", ") + QuoteSqlText(file);
    }
    relation.limits.files = files;
    const std::string reader = source.kind == "json" ? "read_json" : "read_" + source.kind;
    relation.name = reader + "([" + list + "], union_by_name = true)";
  }
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
  ARROW_ASSIGN_OR_RAISE(const Relation relation, RelationOf(source_, snapshot_));
  ARROW_ASSIGN_OR_RAISE(const auto session, SqlSession::Open(nullptr, relation.limits));
  ARROW_ASSIGN_OR_RAISE(const auto rows,
                        session->Run("SELECT * FROM " + relation.name + " LIMIT 0", {}));
  return rows->schema();
}

Result<std::shared_ptr<arrow::Table>> SourceQuery::Read(const std::vector<std::string>& columns,
                                                        const TableOptions& options,
                                                        std::optional<int64_t> start_us,
                                                        std::optional<int64_t> end_us) const {
  ARROW_ASSIGN_OR_RAISE(const Relation relation, RelationOf(source_, snapshot_));
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
  ARROW_ASSIGN_OR_RAISE(const auto session, SqlSession::Open(nullptr, relation.limits));
  ARROW_ASSIGN_OR_RAISE(const auto rows, session->Run(query, times));
  return rows->ToTable();
}

}  // namespace tercet
