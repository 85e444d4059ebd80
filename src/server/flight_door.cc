#include "server/flight_door.h"

#include <atomic>
#include <exception>
#include <functional>
#include <thread>

#include <arrow/flight/server.h>
#include <arrow/flight/server_middleware.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "client/sql_wire.h"
#include "client/wire.h"
#include "client/wire_frames.h"
#include "server/flight_exchange.h"
#include "server/flight_upload.h"
#include "server/grpc_message.h"
#include "server/sql_routes.h"

namespace tercet {
namespace {

namespace flight = arrow::flight;

constexpr std::chrono::milliseconds kDrainStep{5};

/// Whether a call's client has gone: by Ctrl-C, by its own deadline, or with its process.
std::function<bool()> IsGone(const flight::ServerCallContext& call) {
  return [&call] { return call.is_cancelled(); };
}

/// Rows that are made while they are sent, for as long as the client waits.
class WatchedReader : public arrow::RecordBatchReader {
 public:
  /// `call` outlives the reader.
  WatchedReader(const flight::ServerCallContext& call,
                std::shared_ptr<arrow::RecordBatchReader> rows)
      : is_gone_(IsGone(call)), rows_(std::move(rows)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    const InterruptScope scope(is_gone_);
    return rows_->ReadNext(batch);
  }

 private:
  const std::function<bool()> is_gone_;
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
};

/// Refuses calls without the token before anything of them is read.
class TokenCheck : public flight::ServerMiddlewareFactory {
 public:
  explicit TokenCheck(const Access* access) : access_(access) {}

  Status StartCall(const flight::CallInfo&, const flight::ServerCallContext& context,
                   std::shared_ptr<flight::ServerMiddleware>*) override {
    const auto& headers = context.incoming_headers();
    const auto found = headers.find("authorization");
    const Status token =
        access_->CheckToken(found == headers.end() ? std::string_view() : found->second);
    if (token.ok()) return token;
    return flight::MakeFlightError(flight::FlightStatusCode::Unauthenticated, token.message());
  }

 private:
  const Access* const access_;
};

Result<json::object> Command(std::string_view text) {
  const Result<json::object> command = ParseJsonObject(text, {.max_bytes = 16 << 20});
  if (!command.ok()) return Explain(command.status(), "Flight command");
  return command;
}

Result<Ref> GetRef(const json::object& command, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(command, key));
  return Ref::Parse(text);
}

Result<RecordBatchReader> Get(Platform* platform, json::object command) {
  ARROW_ASSIGN_OR_RAISE(const std::string verb, GetString(command, "verb"));
  command.erase("verb");
  if (verb == "read") {
    ARROW_ASSIGN_OR_RAISE(const Ref group, GetRef(command, "group"));
    command.erase("group");
    ARROW_ASSIGN_OR_RAISE(const ReadRequest request, ReadRequestFromJson(command));
    return platform->Read(group, request);
  }
  if (verb == "changes") {
    ARROW_ASSIGN_OR_RAISE(const Ref group, GetRef(command, "group"));
    ARROW_ASSIGN_OR_RAISE(const auto since, FindInt(command, "since"));
    ARROW_ASSIGN_OR_RAISE(const auto until, FindInt(command, "until"));
    return platform->Changes(group, since.value_or(0), until.value_or(-1));
  }
  if (verb == "batch") {
    ARROW_ASSIGN_OR_RAISE(const Ref model, GetRef(command, "model"));
    ARROW_ASSIGN_OR_RAISE(const auto start_us, FindTime(command, "start"));
    ARROW_ASSIGN_OR_RAISE(const auto end_us, FindTime(command, "end"));
    ARROW_ASSIGN_OR_RAISE(const Frame scored,
                          platform->Batch(model, start_us, end_us, nullptr, {}));
    return std::make_shared<arrow::TableBatchReader>(scored);
  }
  if (verb == "sql") {
    ARROW_ASSIGN_OR_RAISE(const SqlRequest request, SqlRequestFromJson(command));
    ARROW_ASSIGN_OR_RAISE(const SqlData data, ServeSql(platform, request));
    return ToStream(data);
  }
  if (verb == "model_files") {
    ARROW_ASSIGN_OR_RAISE(const Ref model, GetRef(command, "model"));
    ARROW_ASSIGN_OR_RAISE(const ModelFiles files, platform->ReadModelFiles(model));
    return ToReader(files);
  }
  return Status::KeyError("DoGet has no verb '", ShortText(verb), "'",
                          Suggest(verb,
                                  {"read", "changes", "batch", "sql", "model_files"}));
}

/// The DoGet command that a descriptor stands for: itself, or for the path of a feature group
/// ("weather@1") the reading of it.
Result<std::string> TicketOf(const flight::FlightDescriptor& descriptor) {
  if (descriptor.type == flight::FlightDescriptor::CMD) return descriptor.cmd;
  if (descriptor.type != flight::FlightDescriptor::PATH || descriptor.path.size() != 1) {
    return Status::Invalid("a flight is a command, or the path of one feature group ('weather@1')");
  }
  return ToText(json::object{{"verb", "read"}, {"group", descriptor.path[0]}});
}

/// What DoGet would answer, without reading it.
Result<flight::FlightInfo> InfoOf(Platform* platform, const flight::FlightDescriptor& descriptor) {
  ARROW_ASSIGN_OR_RAISE(const std::string ticket, TicketOf(descriptor));
  ARROW_ASSIGN_OR_RAISE(json::object command, Command(ticket));
  ARROW_ASSIGN_OR_RAISE(const std::string verb, GetString(command, "verb"));
  if (verb == "batch" || verb == "model_files") {
    return Status::NotImplemented("what '", verb, "' gives is known when it is done: call DoGet");
  }
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader reader, Get(platform, std::move(command)));
  flight::FlightEndpoint endpoint;
  endpoint.ticket.ticket = ticket;  // No location: where this was asked.
  return flight::FlightInfo::Make(*reader->schema(), descriptor, {endpoint}, -1, -1);
}

Result<json::object> Put(Platform* platform, json::object command,
                         std::shared_ptr<flight::FlightMessageReader> messages) {
  ARROW_ASSIGN_OR_RAISE(const std::string verb, GetString(command, "verb"));
  ARROW_ASSIGN_OR_RAISE(const auto end_marker, FindBool(command, "end_marker"));
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows,
                        ReadUpload(std::move(messages), end_marker.value_or(false)));
  command.erase("verb");
  command.erase("end_marker");
  if (verb == "insert") {
    ARROW_ASSIGN_OR_RAISE(const Ref group, GetRef(command, "group"));
    command.erase("group");
    ARROW_ASSIGN_OR_RAISE(const InsertRequest request, InsertRequestFromJson(command));
    ARROW_ASSIGN_OR_RAISE(const Commit commit, platform->Insert(group, rows, request));
    return commit.ToJson();
  }
  if (verb == "delete") {
    ARROW_RETURN_NOT_OK(CheckMembers("delete command", command, {"group", "wait_online"}));
    ARROW_ASSIGN_OR_RAISE(const Ref group, GetRef(command, "group"));
    ARROW_ASSIGN_OR_RAISE(const auto wait_online, FindBool(command, "wait_online"));
    ARROW_ASSIGN_OR_RAISE(const Commit commit,
                          platform->Delete(group, rows, wait_online.value_or(false)));
    return commit.ToJson();
  }
  if (verb == "erase") {
    ARROW_RETURN_NOT_OK(CheckMembers("erase command", command, {"group"}));
    std::optional<Ref> group;
    if (command.contains("group")) {
      ARROW_ASSIGN_OR_RAISE(group, GetRef(command, "group"));
    }
    ARROW_ASSIGN_OR_RAISE(const ErasureReport report, platform->Erase(group, rows));
    return report.ToJson();
  }
  if (verb == "register_model") {
    ARROW_ASSIGN_OR_RAISE(const json::object object, FindObject(command, "definition"));
    ARROW_ASSIGN_OR_RAISE(const auto definition, ModelDefinition::FromJson(object));
    ARROW_ASSIGN_OR_RAISE(const ModelFiles files, ModelFilesFromReader(rows.get()));
    ARROW_ASSIGN_OR_RAISE(const auto model, platform->RegisterModel(definition, files));
    return model.ToJson();
  }
  return Status::KeyError("DoPut has no verb '", ShortText(verb), "'",
                          Suggest(verb,
                                  {"insert", "delete", "erase", "register_model"}));
}

}  // namespace

class FlightDoor::Service : public flight::FlightServerBase {
 public:
  Service(Platform* platform, TraceExporter* traces) : platform_(platform), traces_(traces) {}

  Status ListFlights(const flight::ServerCallContext& context, const flight::Criteria*,
                     std::unique_ptr<flight::FlightListing>* listing) override {
    return Guard("arrow.flight.protocol.FlightService/ListFlights", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto groups, platform_->ListFeatureGroups());
      std::vector<flight::FlightInfo> flights;
      for (const FeatureGroupDefinition& group : groups) {
        Result<flight::FlightInfo> info =
            InfoOf(platform_, flight::FlightDescriptor::Path({group.ref().ToText()}));
        // One whose source is away, or that was dropped meanwhile, does not hide the others.
        if (!info.ok()) {
          LogWarn("'" + group.ref().ToText() + "' is no flight: " + info.status().message());
          continue;
        }
        flights.push_back(*std::move(info));
      }
      *listing = std::make_unique<flight::SimpleFlightListing>(std::move(flights));
      return Status::OK();
    });
  }

  Status GetFlightInfo(const flight::ServerCallContext& context,
                       const flight::FlightDescriptor& descriptor,
                       std::unique_ptr<flight::FlightInfo>* info) override {
    return Guard("arrow.flight.protocol.FlightService/GetFlightInfo", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(flight::FlightInfo made, InfoOf(platform_, descriptor));
      *info = std::make_unique<flight::FlightInfo>(std::move(made));
      return Status::OK();
    });
  }

  Status GetSchema(const flight::ServerCallContext& context,
                   const flight::FlightDescriptor& descriptor,
                   std::unique_ptr<flight::SchemaResult>* schema) override {
    return Guard("arrow.flight.protocol.FlightService/GetSchema", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const flight::FlightInfo info, InfoOf(platform_, descriptor));
      *schema = std::make_unique<flight::SchemaResult>(info.serialized_schema());
      return Status::OK();
    });
  }

  Status DoGet(const flight::ServerCallContext& context, const flight::Ticket& ticket,
               std::unique_ptr<flight::FlightDataStream>* stream) override {
    return Guard("arrow.flight.protocol.FlightService/DoGet", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(json::object command, Command(ticket.ticket));
      ARROW_ASSIGN_OR_RAISE(const RecordBatchReader reader, Get(platform_, std::move(command)));
      *stream = std::make_unique<flight::RecordBatchStream>(
          std::make_shared<WatchedReader>(context, reader));
      return Status::OK();
    });
  }

  Status DoPut(const flight::ServerCallContext& context,
               std::unique_ptr<flight::FlightMessageReader> messages,
               std::unique_ptr<flight::FlightMetadataWriter> writer) override {
    return Guard("arrow.flight.protocol.FlightService/DoPut", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(json::object command, Command(messages->descriptor().cmd));
      const std::shared_ptr<flight::FlightMessageReader> upload = std::move(messages);
      ARROW_ASSIGN_OR_RAISE(const json::object answer, Put(platform_, std::move(command), upload));
      ARROW_RETURN_NOT_OK(DrainUpload(upload.get()));
      return writer->WriteMetadata(*arrow::Buffer::FromString(ToText(answer)));
    });
  }

  Status DoExchange(const flight::ServerCallContext& context,
                    std::unique_ptr<flight::FlightMessageReader> messages,
                    std::unique_ptr<flight::FlightMessageWriter> writer) override {
    return Guard("arrow.flight.protocol.FlightService/DoExchange", context, [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(json::object command, Command(messages->descriptor().cmd));
      return AnswerExchange(platform_, std::move(command), std::move(messages), writer.get());
    });
  }

  int under_way() const { return under_way_.load(); }

 private:
  /// Runs a call in a span named `method`, for as long as its client waits; what is thrown below
  /// becomes an error of the call, not the process's end.
  template <typename Call>
  Status Guard(std::string_view method, const flight::ServerCallContext& context,
               const Call& call) {
    ++under_way_;
    const auto parent = context.incoming_headers().find("traceparent");
    TraceExporter::Span span(
        traces_, method,
        parent == context.incoming_headers().end() ? std::string_view() : parent->second);
    Status status;
    try {
      const InterruptScope scope(IsGone(context));
      status = call();
    } catch (const std::exception& error) {
      status = Status::UnknownError("internal error: ", error.what());
    }
    span.EndCall(GrpcStatusOf(status).error_code());
    --under_way_;
    return status;
  }

  Platform* const platform_;
  TraceExporter* const traces_;  ///< null: nobody asked
  std::atomic<int> under_way_{0};
};

FlightDoor::FlightDoor(std::unique_ptr<Service> service) : service_(std::move(service)) {}

Result<std::unique_ptr<FlightDoor>> FlightDoor::Start(const Address& address, Platform* platform,
                                                      const Access* access,
                                                      TraceExporter* traces) {
  ARROW_RETURN_NOT_OK(access->CheckBind("Flight", address));
  ARROW_ASSIGN_OR_RAISE(const auto location,
                        flight::Location::ForGrpcTcp(address.host, address.port));
  flight::FlightServerOptions options(location);
  options.middleware.emplace_back("token", std::make_shared<TokenCheck>(access));
  auto service = std::make_unique<Service>(platform, traces);
  const Status started = service->Init(options);
  if (!started.ok()) {
    return Status::IOError("cannot listen on ", address.ToText(),
                           " for Flight: ", started.message());
  }
  return std::unique_ptr<FlightDoor>(new FlightDoor(std::move(service)));
}

int FlightDoor::port() const { return service_->port(); }

Status FlightDoor::Stop(std::chrono::milliseconds patience) {
  if (stopped_) return Status::OK();
  const auto deadline = std::chrono::system_clock::now() + patience;
  while (service_->under_way() > 0) {
    if (std::chrono::system_clock::now() >= deadline) {
      return Status::Cancelled(service_->under_way(), " calls had not ended");
    }
    std::this_thread::sleep_for(kDrainStep);
  }
  stopped_ = true;
  return service_->Shutdown(&deadline);
}

FlightDoor::~FlightDoor() {
  // Shutdown waits for handlers that run.
  const Status stopped = stopped_ ? Status::OK() : service_->Shutdown();
  if (!stopped.ok()) LogWarn("stopping Flight: " + stopped.ToString());
}

}  // namespace tercet
