#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tercet {

/// One connection to a SQLite file. Not thread-safe: its owner locks. Statements are prepared once
/// and kept. Errors are IOError and name the file.
class SqliteDatabase {
 public:
  static Result<std::unique_ptr<SqliteDatabase>> Open(const std::string& path,
                                                      int busy_timeout_ms);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  /// One execution of a statement: bind, then Step() until it says false. Resets itself.
  class Query {
   public:
    Query(Query&& other) noexcept : database_(other.database_), statement_(other.statement_) {
      other.statement_ = nullptr;
    }
    Query& operator=(Query&&) = delete;
    ~Query();
    Query& Bind(int64_t value);
    Query& Bind(std::string_view value);  ///< must live until the query ends
    /// True when a row is there to read; false at the end.
    Result<bool> Step();
    int64_t Int(int column) const;
    std::string_view Text(int column) const;  ///< until the next Step()

   private:
    friend class SqliteDatabase;
    Query(SqliteDatabase* database, sqlite3_stmt* statement)
        : database_(database), statement_(statement) {}
    SqliteDatabase* database_;
    sqlite3_stmt* statement_;
    int next_parameter_ = 1;
    int bind_error_ = 0;
  };

  /// `sql` must be a literal or otherwise outlive the connection's use of it.
  Result<Query> Prepare(std::string_view sql);
  /// Runs statements that return nothing of interest.
  Status Execute(const std::string& sql);
  /// Prepares, binds and runs one statement to its end.
  template <typename... Values>
  Status Run(std::string_view sql, const Values&... values) {
    ARROW_ASSIGN_OR_RAISE(Query query, Prepare(sql));
    (query.Bind(values), ...);
    return query.Step().status();
  }
  Result<int64_t> ReadInt(const std::string& sql);
  int64_t last_insert_id() const;

  /// A number that differs whenever any process committed something to the file since: a digest of
  /// the header of the write-ahead log's index, which each commit rewrites in memory that all
  /// processes share (sqlite.org/walformat.html, section 2). A few loads; any thread may call it.
  /// nullopt when the file has no such log, or was not read yet.
  std::optional<int64_t> CommitDigest() const;
  /// Finds that header; after the first read of the file, and before CommitDigest is used.
  void WatchCommits();

  /// A write transaction: takes the write lock at once, so that what was read in it can't have
  /// changed when it commits. Rolls back unless committed.
  class Transaction {
   public:
    static Result<Transaction> Begin(SqliteDatabase* database);
    Transaction(Transaction&& other) noexcept : database_(other.database_) {
      other.database_ = nullptr;
    }
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Status Commit();

   private:
    explicit Transaction(SqliteDatabase* database) : database_(database) {}
    SqliteDatabase* database_;
  };

 private:
  SqliteDatabase(std::string path, sqlite3* connection)
      : path_(std::move(path)), connection_(connection) {}
  Status Failure(std::string_view what, int code) const;

  const std::string path_;
  sqlite3* const connection_;
  const volatile uint64_t* wal_header_ = nullptr;  ///< mapped for as long as the connection is open
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

}  // namespace tercet
