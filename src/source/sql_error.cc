#include "source/sql_error.h"

#include <string_view>

#include "base/json.h"
#include "base/short_text.h"

namespace tercet {
namespace {

constexpr size_t kShownBytes = 400;

struct Kind {
  std::string_view prefix;
  arrow::StatusCode code;
};

/// DuckDB tells its kinds of errors by what the message begins with.
constexpr Kind kKinds[] = {{"Catalog Error", arrow::StatusCode::KeyError},
                           {"IO Error", arrow::StatusCode::IOError},
                           {"Permission Error", arrow::StatusCode::NotImplemented},
                           {"Not implemented Error", arrow::StatusCode::NotImplemented},
                           {"Out of Memory Error", arrow::StatusCode::CapacityError},
                           {"INTERRUPT Error", arrow::StatusCode::Cancelled},
                           {"INTERNAL Error", arrow::StatusCode::UnknownError},
                           {"FATAL Error", arrow::StatusCode::UnknownError}};

/// What some failures are told as, {"exception_type":"INTERNAL","exception_message":…} with
/// addresses of the library's code, as the text that others are told as.
std::string TextOf(std::string_view message) {
  if (!message.starts_with("{\"exception_type\"")) return std::string(message);
  const auto parts = ParseJsonObject(message);
  if (!parts.ok()) return std::string(message);
  const auto type = GetString(*parts, "exception_type");
  const auto text = GetString(*parts, "exception_message");
  if (!type.ok() || !text.ok()) return std::string(message);
  return *type + " Error: " + *text;
}

}  // namespace

Status SqlError(const char* message, const std::string& query) {
  const std::string text = message == nullptr ? "the query failed" : TextOf(message);
  arrow::StatusCode code = arrow::StatusCode::Invalid;
  for (const Kind& kind : kKinds) {
    if (text.starts_with(kind.prefix)) code = kind.code;
  }
  // A file, most likely, where DuckDB saw the name of a table.
  const bool is_file = text.starts_with("Catalog Error: Table with name ") &&
                       text.substr(0, text.find(" does not exist")).find('/') != std::string::npos;
  return WithQuery(Status(code, is_file ? text + "\nA query reads the files that are named with "
                                                 "it: files=[…], or --files"
                                        : text),
                   query);
}

Status WithQuery(const Status& status, const std::string& query) {
  // A message about the text has the line in question already.
  if (status.message().find("\nLINE ") != std::string::npos) {
    return status.WithMessage("SQL: ", status.message());
  }
  return status.WithMessage("SQL: ", status.message(), "\nin: ", ShortText(query, kShownBytes));
}

SqlTimeLimit::SqlTimeLimit(const DuckDbLibrary& duck, duckdb_connection connection,
                           std::optional<int64_t> time_us)
    : time_us_(time_us) {
  if (!time_us) return;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(*time_us);
  watcher_ = std::thread([this, interrupt = duck.interrupt, connection, deadline] {
    std::unique_lock lock(mutex_);
    if (ended_changed_.wait_until(lock, deadline, [this] { return ended_; })) return;
    reached_ = true;
    // Again and again: an interrupt between two calls of a stream is forgotten by the next.
    while (!ended_) {
      interrupt(connection);
      ended_changed_.wait_for(lock, std::chrono::milliseconds(20), [this] { return ended_; });
    }
  });
}

SqlTimeLimit::~SqlTimeLimit() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ended_changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

Status SqlTimeLimit::Explain(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (status.ok() || !reached_) return status;
  return Status::Cancelled("the query took longer than its limit of ", *time_us_ / 1000,
                           " ms; ask for less, or raise the limit");
}

}  // namespace tercet
