#include <arrow/table.h>

#include "catalog/definition_json.h"
#include "client/remote_platform.h"
#include "client/wire.h"

namespace tercet {
namespace {

json::object CommandOf(const Ref& view, const EngineRowsRequest& rows) {
  json::object command = ToJson(rows.training);
  command["verb"] = "given_rows";
  command["view"] = view.ToText();
  command["pins"] = ToJsonObject(rows.pins);
  return command;
}

}  // namespace

/// Views of a server's project, for an engine that reads the tables where they are.
class RemoteViewExports : public ViewExports {
 public:
  explicit RemoteViewExports(FlightLink* flight) : flight_(*flight) {}

  Result<json::object> Recipe(const Ref& view, const ViewExportRequest& request) override {
    json::object command{
        {"verb", "recipe"}, {"view", view.ToText()}, {"known_at", request.known_at}};
    if (request.training_dataset_version) {
      command["training_dataset_version"] = *request.training_dataset_version;
    }
    Frame columns;
    if (request.spine != nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns, arrow::Table::MakeEmpty(request.spine));
    }
    std::optional<json::object> recipe;
    ARROW_RETURN_NOT_OK(flight_.Exchange(
        std::move(command), columns, nullptr,
        [&](const std::shared_ptr<arrow::RecordBatch>&, const json::object& message) -> Status {
          return FindObject(message, "recipe").Value(&recipe.emplace());
        }));
    if (!recipe) return Status::IOError("the server broke off a view's recipe");
    return *std::move(recipe);
  }

  Result<EngineDataset> CreateDataset(const Ref& view, const EngineRowsRequest& rows,
                                      const Progress& progress) override {
    return DatasetOf(CommandOf(view, rows), rows, progress);
  }

  Result<EngineDataset> Fold(const Ref& view, int64_t version, int64_t fold,
                             const EngineRowsRequest& rows, const Progress& progress) override {
    json::object command = CommandOf(view, rows);
    command["version"] = version;
    command["fold"] = fold;
    return DatasetOf(std::move(command), rows, progress);
  }

 private:
  Result<EngineDataset> DatasetOf(json::object command, const EngineRowsRequest& rows,
                                  const Progress& progress) {
    EngineDataset dataset;
    bool whole = false;
    std::vector<std::shared_ptr<arrow::RecordBatch>> places;
    ARROW_RETURN_NOT_OK(flight_.Exchange(
        std::move(command), rows.messages, progress,
        [&](const std::shared_ptr<arrow::RecordBatch>& batch,
            const json::object& message) -> Status {
          if (batch != nullptr) {
            places.push_back(batch);
            return Status::OK();
          }
          ARROW_ASSIGN_OR_RAISE(const json::object definition, FindObject(message, "definition"));
          ARROW_ASSIGN_OR_RAISE(dataset.definition,
                                TrainingDatasetDefinition::FromJson(definition));
          ARROW_ASSIGN_OR_RAISE(dataset.how, FindObject(message, "how"));
          whole = true;
          return Status::OK();
        }));
    if (!whole || places.empty()) {
      return Status::IOError("the server broke off a training dataset");
    }
    ARROW_ASSIGN_OR_RAISE(dataset.places, arrow::Table::FromRecordBatches(places));
    return dataset;
  }

  FlightLink& flight_;
};

std::unique_ptr<ViewExports> RemotePlatform::MakeViewExports() {
  return std::make_unique<RemoteViewExports>(flight_.get());
}

}  // namespace tercet
