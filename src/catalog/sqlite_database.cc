#include "catalog/sqlite_database.h"

#include <array>
#include <atomic>

#include <sqlite3.h>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr int kWalIndexRegionBytes = 32 << 10;
constexpr size_t kWalHeaderBytes = 48;

}  // namespace

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path,
                                                             int busy_timeout_ms) {
  sqlite3* connection = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &connection,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (connection == nullptr) return Status::OutOfMemory("cannot open '", path, "'");
  // SQLite hands out a connection even when opening failed; it carries the message.
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path, connection));
  if (opened != SQLITE_OK) return database->Failure("cannot open", opened);
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_timeout(connection, busy_timeout_ms);
  return database;
}

SqliteDatabase::~SqliteDatabase() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

Status SqliteDatabase::Failure(std::string_view what, int code) const {
  return Status::IOError(what, " '", path_, "': ", sqlite3_errmsg(connection_), " (SQLite code ",
                         code, ")");
}

Result<SqliteDatabase::Query> SqliteDatabase::Prepare(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int prepared = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (prepared != SQLITE_OK) return Failure("cannot read", prepared);
    found = statements_.emplace(std::string(sql), statement).first;
  }
  return Query(this, found->second);
}

Status SqliteDatabase::Execute(const std::string& sql) {
  const int done = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  return done == SQLITE_OK ? Status::OK() : Failure("cannot use", done);
}

Result<int64_t> SqliteDatabase::ReadInt(const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(Query query, Prepare(sql));
  ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
  if (!row) return Status::IOError("'", path_, "' did not answer ", sql);
  return query.Int(0);
}

void SqliteDatabase::WatchCommits() {
  sqlite3_file* file = nullptr;
  const int found = sqlite3_file_control(connection_, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (found != SQLITE_OK || file == nullptr || file->pMethods == nullptr ||
      file->pMethods->iVersion < 2 || file->pMethods->xShmMap == nullptr) {
    return;
  }
  void volatile* region = nullptr;
  if (file->pMethods->xShmMap(file, 0, kWalIndexRegionBytes, /*extend=*/0, &region) != SQLITE_OK) {
    return;
  }
  wal_header_ = static_cast<const volatile uint64_t*>(region);
}

std::optional<int64_t> SqliteDatabase::CommitDigest() const {
  if (wal_header_ == nullptr) return std::nullopt;
  // A header that is being written gives a number of its own, which the next call does not repeat.
  std::array<uint64_t, kWalHeaderBytes / 8> header;
  for (size_t i = 0; i < header.size(); ++i) header[i] = wal_header_[i];
  std::atomic_thread_fence(std::memory_order_acquire);
  return static_cast<int64_t>(
      Hash64({reinterpret_cast<const char*>(header.data()), kWalHeaderBytes}));
}

int64_t SqliteDatabase::last_insert_id() const { return sqlite3_last_insert_rowid(connection_); }

SqliteDatabase::Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteDatabase::Query& SqliteDatabase::Query::Bind(int64_t value) {
  const int bound = sqlite3_bind_int64(statement_, next_parameter_++, value);
  if (bound != SQLITE_OK) bind_error_ = bound;
  return *this;
}

SqliteDatabase::Query& SqliteDatabase::Query::Bind(std::string_view value) {
  const char* text = value.data() == nullptr ? "" : value.data();  // null would bind NULL
  const int bound = sqlite3_bind_text64(statement_, next_parameter_++, text, value.size(),
                                        SQLITE_STATIC, SQLITE_UTF8);
  if (bound != SQLITE_OK) bind_error_ = bound;
  return *this;
}

Result<bool> SqliteDatabase::Query::Step() {
  if (bind_error_ == SQLITE_TOOBIG) {
    return Status::CapacityError("a value is too large for '", database_->path_, "'");
  }
  if (bind_error_ != SQLITE_OK) return database_->Failure("cannot use", bind_error_);
  const int stepped = sqlite3_step(statement_);
  if (stepped == SQLITE_ROW) return true;
  if (stepped == SQLITE_DONE) return false;
  return database_->Failure("cannot use", stepped);
}

int64_t SqliteDatabase::Query::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view SqliteDatabase::Query::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<SqliteDatabase::Transaction> SqliteDatabase::Transaction::Begin(SqliteDatabase* database) {
  ARROW_RETURN_NOT_OK(database->Run("BEGIN IMMEDIATE"));
  return Transaction(database);
}

SqliteDatabase::Transaction::~Transaction() {
  // Some failures (a full disk) have rolled back already; a second ROLLBACK then only says so.
  if (database_ != nullptr && sqlite3_get_autocommit(database_->connection_) == 0) {
    sqlite3_exec(database_->connection_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Status SqliteDatabase::Transaction::Commit() {
  ARROW_RETURN_NOT_OK(database_->Run("COMMIT"));
  database_ = nullptr;
  return Status::OK();
}

}  // namespace tercet
