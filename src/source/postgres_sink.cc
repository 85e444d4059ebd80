#include "source/postgres_sink.h"

#include <algorithm>

#include <libpq-fe.h>

#include "base/private_library.h"

namespace tercet {
namespace {

constexpr std::string_view kPurpose = "a postgres sink needs PostgreSQL's client library";

#define TERCET_PQ_FUNCTIONS(X)                                                              \
  X(PQclear) X(PQconnectdbParams) X(PQerrorMessage) X(PQescapeIdentifier) X(PQexecParams)   \
  X(PQfinish) X(PQfreemem) X(PQresultErrorField) X(PQresultStatus) X(PQstatus)

/// libpq, opened when it is first asked for.
struct Libpq {
#define TERCET_PQ_MEMBER(name) decltype(&::name) name = nullptr;
  TERCET_PQ_FUNCTIONS(TERCET_PQ_MEMBER)
#undef TERCET_PQ_MEMBER

  static Result<const Libpq*> Get() {
    static const Result<const Libpq*> library = Load();
    return library;
  }

 private:
  static Result<const Libpq*> Load() {
    ARROW_ASSIGN_OR_RAISE(void* const handle, OpenSystemLibrary("libpq.so.5", kPurpose, "libpq5"));
    static Libpq library;
    void* function = nullptr;
#define TERCET_PQ_FIND(name)                                              \
  ARROW_ASSIGN_OR_RAISE(function, FindFunction(handle, #name, kPurpose)); \
  library.name = reinterpret_cast<decltype(library.name)>(function);
    TERCET_PQ_FUNCTIONS(TERCET_PQ_FIND)
#undef TERCET_PQ_FIND
    return &library;
  }
};

class PostgresSink : public RecordSink {
 public:
  PostgresSink(const Libpq* pq, std::string connection, std::string table)
      : pq_(pq), connection_string_(std::move(connection)), table_(std::move(table)) {}
  ~PostgresSink() override { Disconnect(); }

  Status Write(std::span<const SinkRecord> records) override {
    std::string array = "[";
    for (const SinkRecord& record : records) {
      if (array.size() > 1) array.push_back(',');
      array += record.json;
    }
    array.push_back(']');
    if (connection_ == nullptr) ARROW_RETURN_NOT_OK(Connect());
    const Status written = Execute(insert_, array.c_str());
    // After whatever went wrong there, a new connection is sure to be in order.
    if (written.IsIOError()) Disconnect();
    return written;
  }

 private:
  void Disconnect() {
    if (connection_ != nullptr) pq_->PQfinish(connection_);
    connection_ = nullptr;
  }

  Status Failed(const std::string& what) const {
    std::string message = pq_->PQerrorMessage(connection_);
    while (!message.empty() && message.back() == '\n') message.pop_back();
    std::replace(message.begin(), message.end(), '\n', ' ');
    return Status::IOError(what, ": ", message);
  }

  Status Connect() {
    const char* const words[] = {"dbname",          "connect_timeout",  "client_encoding",
                                 "application_name", "tcp_user_timeout", "options", nullptr};
    const char* const values[] = {connection_string_.c_str(), "5",      "UTF8", "tercet", "10000",
                                  "-c statement_timeout=15000", nullptr};
    connection_ = pq_->PQconnectdbParams(words, values, /*expand_dbname=*/1);
    if (connection_ == nullptr) return Status::OutOfMemory("libpq has no memory to connect");
    Status done = pq_->PQstatus(connection_) == CONNECTION_OK
                      ? Status::OK()
                      : Failed("cannot connect to PostgreSQL");
    if (done.ok()) done = Prepare();
    if (!done.ok()) Disconnect();
    return done;
  }

  /// A name with its quotes; "schema.name" has two.
  Result<std::string> Quoted() const {
    std::string quoted;
    for (size_t at = 0; at <= table_.size();) {
      const size_t dot = quoted.empty() ? table_.find('.', at) : std::string::npos;
      const size_t end = std::min(dot, table_.size());
      char* const part = pq_->PQescapeIdentifier(connection_, table_.data() + at, end - at);
      if (part == nullptr) return Failed("table '" + table_ + "'");
      quoted += (quoted.empty() ? "" : ".") + std::string(part);
      pq_->PQfreemem(part);
      at = end + 1;
    }
    return quoted;
  }

  Status Prepare() {
    ARROW_ASSIGN_OR_RAISE(const std::string table, Quoted());
    // Inserting where the table is there needs fewer rights than making it.
    insert_ = "INSERT INTO " + table +
              " (record_id, request_id, event_time, record) SELECT "
              "encode(sha256(convert_to(r::text, 'UTF8')), 'hex'), r->>'request_id', "
              "(r->>'event_time')::timestamptz, r FROM jsonb_array_elements($1::jsonb) AS r "
              "ON CONFLICT (record_id) DO NOTHING";
    if (Execute(insert_, "[]").ok()) return Status::OK();
    return Execute("CREATE TABLE IF NOT EXISTS " + table +
                       " (record_id text PRIMARY KEY, request_id text NOT NULL, "
                       "event_time timestamptz NOT NULL, record jsonb NOT NULL)",
                   nullptr);
  }

  /// IOError for all that time or a person may mend; Invalid when the records are at fault.
  Status Execute(const std::string& statement, const char* parameter) const {
    PGresult* const result =
        pq_->PQexecParams(connection_, statement.c_str(), parameter == nullptr ? 0 : 1, nullptr,
                          parameter == nullptr ? nullptr : &parameter, nullptr, nullptr, 0);
    Status status;
    if (pq_->PQresultStatus(result) != PGRES_COMMAND_OK) {
      const char* const code = pq_->PQresultErrorField(result, PG_DIAG_SQLSTATE);
      // 22: data exceptions; 54: limits of the program.
      const std::string_view kind = code == nullptr ? std::string_view() : code;
      status = Failed("table '" + table_ + "'");
      if (kind.starts_with("22") || kind.starts_with("54")) {
        status = Status::Invalid(status.message());
      }
    }
    pq_->PQclear(result);
    return status;
  }

  const Libpq* const pq_;
  const std::string connection_string_, table_;
  PGconn* connection_ = nullptr;
  std::string insert_;
};

}  // namespace

Result<std::unique_ptr<RecordSink>> OpenPostgresSink(const std::string& connection,
                                                     const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const Libpq* const pq, Libpq::Get());
  return std::make_unique<PostgresSink>(pq, connection, table);
}

}  // namespace tercet
