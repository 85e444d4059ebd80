#include "client/flight_link.h"

#include <arrow/buffer.h>
#include <arrow/flight/client.h>
#include <arrow/util/align_util.h>

#include "base/interrupt.h"

namespace tercet {
namespace {

namespace flight = arrow::flight;

constexpr int64_t kBatchRows = 64 << 10;
constexpr std::string_view kUploadEnd = "end";

/// The server's own Status out of what Flight made of it: without the texts that Flight appends,
/// with a missing token told as HTTP tells it.
Status Restore(const Status& status) {
  if (status.ok()) return status;
  std::string message = status.message();
  for (const std::string_view suffix :
       {". Detail: ", ". Client context: ", ". gRPC client debug "}) {
    message.resize(std::min(message.size(), message.find(suffix)));
  }
  const auto detail = flight::FlightStatusDetail::UnwrapStatus(status);
  if (detail != nullptr && detail->code() == flight::FlightStatusCode::Unauthenticated) {
    return Status::Invalid(message);
  }
  if (detail != nullptr && detail->code() == flight::FlightStatusCode::Unavailable) {
    return Status::IOError("Flight connection to the server: ", message);
  }
  return Status(status.code(), message);
}

class DownloadReader : public arrow::RecordBatchReader {
 public:
  DownloadReader(std::shared_ptr<void> owner, std::unique_ptr<flight::FlightStreamReader> stream,
                 std::shared_ptr<arrow::Schema> schema)
      : owner_(std::move(owner)), stream_(std::move(stream)), schema_(std::move(schema)) {}
  // Flight's reader waits for the whole stream otherwise.
  ~DownloadReader() override {
    if (!ended_) stream_->Cancel();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    const Result<flight::FlightStreamChunk> chunk = stream_->Next();
    if (!chunk.ok()) return Restore(chunk.status());
    ended_ = chunk->data == nullptr;
    *batch = nullptr;
    if (ended_) return Status::OK();
    // Values lie in the message as it came, at any address.
    ARROW_ASSIGN_OR_RAISE(*batch, arrow::util::EnsureAlignment(chunk->data,
                                                               arrow::util::kValueAlignment,
                                                               arrow::default_memory_pool()));
    return Status::OK();
  }

 private:
  const std::shared_ptr<void> owner_;  ///< the connection, kept while the stream is read
  const std::unique_ptr<flight::FlightStreamReader> stream_;
  const std::shared_ptr<arrow::Schema> schema_;
  bool ended_ = false;
};

/// Sends all rows and the end marker. The first failure of the source or of the stream.
Status Upload(arrow::RecordBatchReader* rows, flight::FlightStreamWriter* writer) {
  while (true) {
    ARROW_RETURN_NOT_OK(CheckInterrupt());
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
    if (batch == nullptr) break;
    for (int64_t start = 0; start < batch->num_rows(); start += kBatchRows) {
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch->Slice(start, kBatchRows)));
    }
  }
  return writer->WriteMetadata(arrow::Buffer::FromString(std::string(kUploadEnd)));
}

/// Hands on one chunk of an exchange's answer.
Status Hear(const flight::FlightStreamChunk& chunk, const Progress& progress,
            const FlightLink::OnChunk& on_chunk) {
  json::object message;
  if (chunk.app_metadata != nullptr) {
    ARROW_ASSIGN_OR_RAISE(message, ParseJsonObject(chunk.app_metadata->ToString()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto fraction, FindDouble(message, "progress"));
  if (!fraction) return on_chunk(chunk.data, std::move(message));
  if (progress) progress(*fraction);
  return Status::OK();
}

}  // namespace

class FlightLink::Client {
 public:
  std::unique_ptr<flight::FlightClient> flight;
  flight::FlightCallOptions options;
};

FlightLink::FlightLink(std::string host, int port, std::string token)
    : host_(std::move(host)), port_(port), token_(std::move(token)) {}

FlightLink::~FlightLink() = default;

Result<std::shared_ptr<FlightLink::Client>> FlightLink::Connected() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (client_ != nullptr) return client_;
  ARROW_ASSIGN_OR_RAISE(const auto location, flight::Location::ForGrpcTcp(host_, port_));
  auto client = std::make_shared<Client>();
  ARROW_ASSIGN_OR_RAISE(client->flight, flight::FlightClient::Connect(location));
  if (!token_.empty()) client->options.headers.emplace_back("authorization", "Bearer " + token_);
  client_ = client;
  return client;
}

Result<RecordBatchReader> FlightLink::Get(const json::object& command) {
  ARROW_ASSIGN_OR_RAISE(const auto client, Connected());
  auto stream = client->flight->DoGet(client->options, flight::Ticket{ToText(command)});
  if (!stream.ok()) return Restore(stream.status());
  auto schema = (*stream)->GetSchema();
  if (!schema.ok()) return Restore(schema.status());
  return std::make_shared<DownloadReader>(client, *std::move(stream), *std::move(schema));
}

Result<json::object> FlightLink::Put(json::object command, const RecordBatchReader& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto client, Connected());
  command["end_marker"] = true;
  auto call = client->flight->DoPut(
      client->options, flight::FlightDescriptor::Command(ToText(command)), rows->schema());
  if (!call.ok()) return Restore(call.status());
  const Status sent = Upload(rows.get(), call->writer.get());
  std::shared_ptr<arrow::Buffer> answer;
  Status done = call->writer->DoneWriting();
  if (sent.ok() && done.ok()) done = call->reader->ReadMetadata(&answer);
  // The server's own error is told when the call is closed.
  const Status closed = call->writer->Close();
  // After a failure of our own source the server can only tell that the upload broke off.
  if (!sent.ok() && (closed.ok() || closed.IsCancelled())) return sent;
  if (!closed.ok()) return Restore(closed);
  if (!done.ok()) return Restore(done);
  if (answer == nullptr) return Status::IOError("the server ended an upload without an answer");
  return ParseJsonObject(answer->ToString());
}

Status FlightLink::Exchange(json::object command, const Frame& spine, const Progress& progress,
                            const OnChunk& on_chunk) {
  const RecordBatchReader rows =
      spine == nullptr ? nullptr : std::make_shared<arrow::TableBatchReader>(spine);
  return Exchange(std::move(command), rows, progress, on_chunk);
}

Status FlightLink::Exchange(json::object command, const RecordBatchReader& rows,
                            const Progress& progress, const OnChunk& on_chunk) {
  ARROW_ASSIGN_OR_RAISE(const auto client, Connected());
  if (rows != nullptr) command["spine"] = true;
  auto call = client->flight->DoExchange(client->options,
                                         flight::FlightDescriptor::Command(ToText(command)));
  if (!call.ok()) return Restore(call.status());
  Status sent;
  if (rows != nullptr) {
    sent = call->writer->Begin(rows->schema());
    if (sent.ok()) sent = Upload(rows.get(), call->writer.get());
  }
  Status done = call->writer->DoneWriting();
  Status heard;
  while (sent.ok() && done.ok() && heard.ok()) {
    heard = CheckInterrupt();
    if (!heard.ok()) break;
    const Result<flight::FlightStreamChunk> chunk = call->reader->Next();
    if (!chunk.ok()) {
      done = chunk.status();
      break;
    }
    if (chunk->data == nullptr && chunk->app_metadata == nullptr) break;
    heard = Hear(*chunk, progress, on_chunk);
  }
  // The call is closed after all that the server sends, unless it is told that nobody listens.
  if (!heard.ok()) call->reader->Cancel();
  const Status closed = call->writer->Close();
  ARROW_RETURN_NOT_OK(heard);
  ARROW_RETURN_NOT_OK(CheckInterrupt());
  if (!closed.ok()) return Restore(closed);
  ARROW_RETURN_NOT_OK(Restore(sent));
  return Restore(done);
}

}  // namespace tercet
