#include <arrow/table.h>

#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/wire.h"
#include "platform/batch_predictions.h"

namespace tercet {
namespace {

json::value TimeOrNull(const std::optional<int64_t>& time_us) {
  return time_us ? json::value(*time_us) : json::value(nullptr);
}

json::object CommandOf(const BatchRequest& request) {
  return {{"verb", "batch"},
          {"model", request.model.ToText()},
          {"start", TimeOrNull(request.start_us)},
          {"end", TimeOrNull(request.end_us)}};
}

}  // namespace

/// Batch predictions that a server makes.
class RemoteBatchPredictions : public BatchPredictions {
 public:
  RemoteBatchPredictions(const RemotePlatform* platform, FlightLink* flight)
      : platform_(*platform), flight_(*flight) {}

  Status ToEach(const BatchRequest& request, const Progress& progress,
                const Take& take) override {
    return flight_.Exchange(
        CommandOf(request), request.spine, progress,
        [&](const std::shared_ptr<arrow::RecordBatch>& batch, const json::object&) -> Status {
          if (batch == nullptr) return Status::OK();
          ARROW_ASSIGN_OR_RAISE(const Frame piece, arrow::Table::FromRecordBatches({batch}));
          return take(piece);
        });
  }

  Result<Commit> ToGroup(const BatchRequest& request, const Ref& group,
                         const InsertRequest& insert, const Progress& progress) override {
    json::object command = CommandOf(request);
    command["into"] = group.ToText();
    command["insert"] = ToJson(insert);
    std::optional<Commit> commit;
    ARROW_RETURN_NOT_OK(flight_.Exchange(
        std::move(command), request.spine, progress,
        [&](const std::shared_ptr<arrow::RecordBatch>&, const json::object& message) -> Status {
          ARROW_ASSIGN_OR_RAISE(const json::object made, FindObject(message, "commit"));
          ARROW_ASSIGN_OR_RAISE(commit, Commit::FromJson(made));
          return Status::OK();
        }));
    if (!commit) return Status::IOError("the server broke off batch predictions");
    return *commit;
  }

  Result<Run> StartToGroup(const BatchRequest& request, const Ref& group,
                           const InsertRequest& insert) override {
    ARROW_RETURN_NOT_OK(CheckStartable(request));
    return RemotePlatform::As<Run>(
        platform_.Call("POST", PathOf("models", request.model) + "/batch",
                       {{"into", group.ToText()},
                        {"start", TimeOrNull(request.start_us)},
                        {"end", TimeOrNull(request.end_us)},
                        {"insert", ToJson(insert)}}));
  }

 private:
  const RemotePlatform& platform_;
  FlightLink& flight_;
};

std::unique_ptr<BatchPredictions> RemotePlatform::MakeBatchPredictions() {
  return std::make_unique<RemoteBatchPredictions>(this, flight_.get());
}

}  // namespace tercet
