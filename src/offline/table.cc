#include "offline/table.h"

#include <algorithm>

#include "base/id.h"
#include "base/name.h"
#include "base/parallel.h"
#include "compute/sort_key.h"
#include "offline/delta_table.h"
#include "offline/position_columns.h"

namespace tercet {
namespace {

/// Keys exist, are told apart, and are of types that can be ordered.
Status CheckOptions(const arrow::Schema& schema, const TableOptions& options) {
  if (options.primary_key.empty()) return Status::Invalid("a table needs a primary key");
  std::vector<std::string> seen;
  for (const std::string& key : options.primary_key) {
    const auto field = schema.GetFieldByName(key);
    if (field == nullptr) {
      return Status::Invalid("primary key column '", key, "' is not among the columns",
                             Suggest(key, schema.field_names()));
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      return Status::Invalid("primary key column '", key, "' comes twice");
    }
    seen.push_back(key);
    ARROW_ASSIGN_OR_RAISE(const auto none, arrow::MakeEmptyArray(field->type()));
    const auto encoded = SortKeys::Encode({none});
    if (!encoded.ok()) return Explain(encoded.status(), "primary key column '" + key + "'");
  }
  if (options.event_time.empty()) return Status::OK();
  const auto field = schema.GetFieldByName(options.event_time);
  if (field == nullptr) {
    return Status::Invalid("event time column '", options.event_time,
                           "' is not among the columns",
                           Suggest(options.event_time, schema.field_names()));
  }
  if (!IsEventTimeType(*field->type())) {
    return Status::TypeError("event time column '", options.event_time, "' is of type ",
                             field->type()->ToString(), "; it must be a timestamp or a date");
  }
  return Status::OK();
}

Protocol NewProtocol(const TableColumns& columns) {
  Protocol protocol{.min_reader_version = 1,
                    .min_writer_version = 7,
                    .reader_features = std::nullopt,
                    .writer_features =
                        std::vector<std::string>{"appendOnly", "invariants", "changeDataFeed"}};
  if (NeedsTimestampNtz(*columns.stored)) {
    protocol.min_reader_version = 3;
    protocol.reader_features = {"timestampNtz"};
    protocol.writer_features->push_back("timestampNtz");
  }
  return protocol;
}

}  // namespace

Result<std::shared_ptr<Table>> Table::Create(std::shared_ptr<FileSystem> file_system,
                                             const std::string& path,
                                             const std::shared_ptr<arrow::Schema>& schema,
                                             const TableOptions& options, const Clock* clock,
                                             const WriteMemory& memory) {
  InitializeArrow();
  ARROW_ASSIGN_OR_RAISE(const TableColumns columns, ColumnsOf(*schema));
  ARROW_RETURN_NOT_OK(CheckOptions(*columns.logical, options));
  const DeltaLog log(file_system, path);
  ARROW_ASSIGN_OR_RAISE(const bool exists, log.HasCommit(0));
  if (exists) return Status::AlreadyExists("there is a table at '", path, "'");
  ARROW_RETURN_NOT_OK(file_system->MakeDirectory(log.path()));

  const int64_t now_us = clock->NowMicros();
  const std::string transaction_id = NewUuid();
  Metadata metadata{.id = NewUuid(),
                    .name = std::nullopt,
                    .description = std::nullopt,
                    .schema_string = ToDeltaSchema(columns, PositionColumns(options)),
                    .partition_columns = {},
                    .configuration = {},
                    .created_time_ms = now_us / 1000};
  auto set = [&](std::string_view name, std::string value) {
    metadata.configuration[std::string(name)] = std::move(value);
  };
  ARROW_ASSIGN_OR_RAISE(std::string arrow_schema, ArrowSchemaToText(*columns.logical));
  set(kArrowSchemaProperty, std::move(arrow_schema));
  set(kLayoutProperty, ToText(json::object{{"primary_key", ToJsonArray(options.primary_key)},
                                           {"event_time", options.event_time},
                                           {"deletion_vectors", options.deletion_vectors}}));
  set("delta.enableChangeDataFeed", "true");
  // What was removed is named in every checkpoint for as long, and every key of an insert; a
  // vacuum of ours keeps what training datasets pin by itself.
  set("delta.deletedFileRetentionDuration", "interval 30 days");
  set("delta.setTransactionRetentionDuration", "interval 30 days");
  // A pinned commit is read by its log, which other engines clean up as this says.
  set("delta.logRetentionDuration", "interval 3650 days");
  const CommitInfo info{{{"timestamp", now_us / 1000},
                         {"operation", "CREATE TABLE"},
                         {"operationParameters", json::object()},
                         {"operationMetrics", json::object()},
                         {"engineInfo", "tercet"},
                         {"isBlindAppend", true},
                         {"txnId", transaction_id},
                         {"tercet", {{"operation", "create"}, {"commit_time_us", now_us}}}}};
  ARROW_ASSIGN_OR_RAISE(const bool won,
                        log.TryCommit(0, {info, NewProtocol(columns), std::move(metadata)}, now_us,
                                      transaction_id));
  if (!won) return Status::AlreadyExists("there is a table at '", path, "'");
  return Open(std::move(file_system), path, options, clock, memory);
}

Result<std::shared_ptr<Table>> Table::Open(std::shared_ptr<FileSystem> file_system,
                                           const std::string& path, const TableOptions& options,
                                           const Clock* clock, const WriteMemory& memory) {
  InitializeArrow();
  auto table = std::make_shared<DeltaTable>(std::move(file_system), path, options, clock, memory);
  ARROW_ASSIGN_OR_RAISE(const auto head, table->HeadSnapshot());
  ARROW_RETURN_NOT_OK(CheckOptions(*head->schema(), head->options()));
  return table;
}

}  // namespace tercet
