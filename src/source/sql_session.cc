#include "source/sql_session.h"

#include <atomic>
#include <cctype>
#include <filesystem>
#include <functional>
#include <future>

#include <unistd.h>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "source/duckdb_handle.h"
#include "source/sql_error.h"
#include "source/sql_result.h"
#include "source/sql_table_function.h"

namespace tercet {
namespace {

/// How much a query may spill to disk, as a multiple of its memory.
constexpr int64_t kSpillFactor = 8;

std::string MebiBytes(int64_t bytes) { return std::to_string(bytes >> 20) + "MiB"; }

/// Whether the word is in a query, in whatever case.
bool HasPivot(std::string query) {
  for (char& c : query) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return query.find("pivot") != std::string::npos;
}

/// Where queries of this process spill; DuckDB makes the folder when it needs it, and removes it.
std::string SpillFolder() {
  static std::atomic<int64_t> count{0};
  std::error_code none;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(none);
  return (folder / ("tercet-sql-" + std::to_string(::getpid()) + "-" + std::to_string(++count)))
      .string();
}

std::string ListOf(const std::vector<std::string>& files, bool folders) {
  std::string list;
  for (const std::string& file : files) {
    if (file.ends_with('/') != folders) continue;
    const std::string name = QuoteSqlText(file), pattern = QuoteSqlFile(file);
    list += (list.empty() ? "" : ", ") + name;
    // Asked for by a pattern, both it and what it finds must be allowed.
    if (pattern != name) list += ", " + pattern;
  }
  return "[" + list + "]";
}

class DuckDbSession : public SqlSession {
 public:
  explicit DuckDbSession(const DuckDbLibrary* duck)
      : duck_(*duck),
        database_(duck->close),
        connection_(duck->disconnect),
        converter_(duck->disconnect) {}

  Status Begin(std::shared_ptr<SqlTables> tables, const SqlLimits& limits) {
    limits_ = limits;
    DuckDbHandle<duckdb_config> config(duck_.destroy_config);
    if (duck_.create_config(config.out()) != DuckDBSuccess) {
      return Status::UnknownError("DuckDB takes no configuration");
    }
    const std::map<std::string, std::string> settings = {
        {"threads", std::to_string(ThreadCount())},
        {"memory_limit", MebiBytes(limits.memory_bytes)},
        {"temp_directory", SpillFolder()},
        {"max_temp_directory_size", MebiBytes(limits.memory_bytes * kSpillFactor)},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"}};
    for (const auto& [name, value] : settings) {
      if (duck_.set_config(config.get(), name.c_str(), value.c_str()) != DuckDBSuccess) {
        return Status::UnknownError("DuckDB takes no setting ", name, " = ", value);
      }
    }
    char* problem = nullptr;
    if (duck_.open_ext(nullptr, database_.out(), config.get(), &problem) != DuckDBSuccess) {
      return Status::IOError("SQL cannot begin: ", TakeText(duck_, problem));
    }
    for (duckdb_connection* connection : {connection_.out(), converter_.out()}) {
      if (duck_.connect(database_.get(), connection) != DuckDBSuccess) {
        return Status::UnknownError("DuckDB takes no connection");
      }
    }
    binding_.duck = &duck_;
    binding_.converter = converter_.get();
    binding_.tables = std::move(tables);
    if (binding_.tables != nullptr) {
      ARROW_RETURN_NOT_OK(RegisterSqlTables(database_.get(), connection_.get(), &binding_));
    }
    for (const std::string& statement : limits.setup) ARROW_RETURN_NOT_OK(Set(statement));
    // Last, since nothing can be set from then on.
    return Set("SET allowed_paths = " + ListOf(limits.files, false) +
               "; SET allowed_directories = " + ListOf(limits.files, true) +
               "; SET enable_external_access = false; SET TimeZone = 'UTC'"
               "; SET lock_configuration = true");
  }

  Result<std::optional<std::string>> Tree(const std::string& query) override {
    auto result = std::make_unique<SqlResultHandle>(duck_.destroy_result);
    const std::string call = "SELECT json_serialize_sql(" + QuoteSqlText(query) + ")";
    if (duck_.query(connection_.get(), call.c_str(), result->out()) != DuckDBSuccess) {
      return SqlError(duck_.result_error(result->out()), query);
    }
    ARROW_ASSIGN_OR_RAISE(const auto rows, OpenSqlResult(duck_, std::move(result), query));
    ARROW_ASSIGN_OR_RAISE(const auto table, rows->ToTable());
    if (table->num_rows() != 1) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(const auto text, table->column(0)->GetScalar(0));
    return text->ToString();
  }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Run(
      const std::string& query, const std::map<std::string, int64_t>& times) override;

 private:
  /// Runs a query until its first rows are there. Where somebody may interrupt, another thread
  /// does, and this one looks up now and then: DuckDB's steps may take minutes.
  duckdb_state Execute(duckdb_pending_result pending, duckdb_result* result) {
    if (!CanBeInterrupted()) return duck_.execute_pending(pending, result);
    auto done = std::async(std::launch::async,
                           [&] { return duck_.execute_pending(pending, result); });
    while (done.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
      if (!CheckInterrupt().ok()) duck_.interrupt(connection_.get());
    }
    return done.get();
  }

  Status Set(const std::string& settings) {
    SqlResultHandle result(duck_.destroy_result);
    if (duck_.query(connection_.get(), settings.c_str(), result.out()) == DuckDBSuccess) {
      return Status::OK();
    }
    return SqlError(duck_.result_error(result.out()), settings);
  }

  /// What a table said, else what DuckDB says, of a query that failed.
  Status Failure(const char* message, const std::string& query) {
    const Status failure = binding_.first_failure();
    return failure.ok() ? SqlError(message, query) : WithQuery(failure, query);
  }

  Status BindTimes(duckdb_prepared_statement statement,
                   const std::map<std::string, int64_t>& times) {
    for (idx_t i = 1; i <= duck_.nparams(statement); ++i) {
      const std::string name = ParameterName(statement, i);
      const auto time = times.find(name);
      if (time == times.end()) {
        return Status::Invalid("SQL: the parameter $", name, " has no value here");
      }
      if (duck_.bind_timestamp_tz(statement, i, {time->second}) != DuckDBSuccess) {
        return Status::Invalid("SQL: the parameter $", name, " takes no time");
      }
    }
    return Status::OK();
  }

  std::string ParameterName(duckdb_prepared_statement statement, idx_t index) {
    char* name = const_cast<char*>(duck_.parameter_name(statement, index));
    return TakeText(duck_, name);
  }

  const DuckDbLibrary& duck_;
  SqlLimits limits_;
  SqlBinding binding_;  // before the database, whose callbacks use it
  DuckDbHandle<duckdb_database> database_;
  DuckDbHandle<duckdb_connection> connection_;
  DuckDbHandle<duckdb_connection> converter_;
};

/// The rows of a query with what they need: the session, and the limit of time.
class QueryReader : public arrow::RecordBatchReader {
 public:
  QueryReader(std::shared_ptr<SqlSession> session, std::unique_ptr<SqlTimeLimit> limit,
              std::shared_ptr<arrow::RecordBatchReader> rows,
              std::function<Status(const Status&)> explain)
      : session_(std::move(session)),
        limit_(std::move(limit)),
        rows_(std::move(rows)),
        explain_(std::move(explain)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    const Status status = rows_->ReadNext(batch);
    return status.ok() ? status : explain_(status);
  }

 private:
  // In the order in which they stand on each other.
  const std::shared_ptr<SqlSession> session_;
  const std::unique_ptr<SqlTimeLimit> limit_;
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::function<Status(const Status&)> explain_;
};

Result<std::shared_ptr<arrow::RecordBatchReader>> DuckDbSession::Run(
    const std::string& query, const std::map<std::string, int64_t>& times) {
  DuckDbHandle<duckdb_extracted_statements> statements(duck_.destroy_extracted);
  const idx_t count =
      duck_.extract_statements(connection_.get(), query.c_str(), statements.out());
  if (count == 0) {
    const char* message = duck_.extract_statements_error(statements.get());
    return SqlError(message == nullptr ? "the query is empty" : message, query);
  }
  if (count > 1) {
    // DuckDB makes two of a PIVOT whose columns it has to ask the data for.
    const bool pivots = HasPivot(query);
    return WithQuery(Status::Invalid("one statement is run, not ", count,
                                     pivots ? "; a PIVOT must name its values: PIVOT rides ON city "
                                              "IN ('Oslo', 'Rome') USING sum(distance)"
                                            : ""),
                     query);
  }
  auto limit = std::make_unique<SqlTimeLimit>(duck_, connection_.get(), limits_.time_us);
  DuckDbHandle<duckdb_prepared_statement> statement(duck_.destroy_prepare);
  if (duck_.prepare_extracted_statement(connection_.get(), statements.get(), 0,
                                        statement.out()) != DuckDBSuccess) {
    return Failure(duck_.prepare_error(statement.get()), query);
  }
  const duckdb_statement_type type = duck_.prepared_statement_type(statement.get());
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return WithQuery(Status::Invalid("only queries (SELECT, WITH, FROM, DESCRIBE, EXPLAIN) are "
                                     "run here; write through insert"),
                     query);
  }
  ARROW_RETURN_NOT_OK(BindTimes(statement.get(), times));
  DuckDbHandle<duckdb_pending_result> pending(duck_.destroy_pending);
  if (duck_.pending_prepared_streaming(statement.get(), pending.out()) != DuckDBSuccess) {
    return limit->Explain(Failure(duck_.pending_error(pending.get()), query));
  }
  auto result = std::make_unique<SqlResultHandle>(duck_.destroy_result);
  const duckdb_state state = Execute(pending.get(), result->out());
  ARROW_RETURN_NOT_OK(CheckInterrupt());
  if (state != DuckDBSuccess) {
    return limit->Explain(Failure(duck_.result_error(result->out()), query));
  }
  ARROW_ASSIGN_OR_RAISE(auto rows, OpenSqlResult(duck_, std::move(result), query));
  SqlTimeLimit* watched = limit.get();
  const auto explain = [this, watched, query](const Status& status) {
    const Status failure = binding_.first_failure();
    return watched->Explain(failure.ok() ? status : WithQuery(failure, query));
  };
  return std::make_shared<QueryReader>(shared_from_this(), std::move(limit), std::move(rows),
                                       explain);
}

std::string Quoted(const std::string& text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) quoted.append(c == quote ? 2 : 1, c);
  return quoted + quote;
}

}  // namespace

Result<std::shared_ptr<SqlSession>> SqlSession::Open(std::shared_ptr<SqlTables> tables,
                                                     const SqlLimits& limits) {
  ARROW_ASSIGN_OR_RAISE(const DuckDbLibrary* duck, DuckDbLibrary::Get());
  auto session = std::make_shared<DuckDbSession>(duck);
  ARROW_RETURN_NOT_OK(session->Begin(std::move(tables), limits));
  return session;
}

std::string QuoteSqlName(const std::string& name) { return Quoted(name, '"'); }

std::string QuoteSqlText(const std::string& text) { return Quoted(text, '\''); }

std::string QuoteSqlFile(const std::string& path) {
  std::string pattern;
  for (const char letter : path) {
    const bool special = letter == '*' || letter == '?' || letter == '[';
    pattern += special ? std::string("[") + letter + "]" : std::string(1, letter);
  }
  return QuoteSqlText(pattern);
}

}  // namespace tercet
