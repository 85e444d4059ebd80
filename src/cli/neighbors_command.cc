#include "catalog/embedding.h"
#include "cli/output.h"
#include "cli/session.h"
#include "platform/neighbors.h"

namespace tercet {
namespace {

struct NeighborsOptions {
  std::string group, vector;
  NeighborsRequest request;
};

}  // namespace

void AddNeighborsCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<NeighborsOptions>();
  CLI::App* neighbors = app->add_subcommand(
      "neighbors", "Finds the rows of an online group that are nearest to a vector");
  neighbors->add_option("group", options->group, "NAME or NAME@VERSION")->required();
  neighbors->add_option("vector", options->vector, "As JSON: [0.1, 0.2, …]")->required();
  neighbors->add_option("-k", options->request.k, "Rows wanted")->capture_default_str();
  neighbors->add_option("--column", options->request.column,
                        "The embedding, where the group has several");
  neighbors->add_option("--filter", options->request.filter,
                        "A condition on the group's columns: price < 30 and city = 'Oslo'");
  neighbors
      ->add_option("--columns", options->request.columns,
                   "Columns to print; by default all but the embedding")
      ->delimiter(',');
  neighbors->add_flag("--exact", options->request.exact, "Compare with every row");
  OnRun(neighbors, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->group));
    NeighborsRequest request = options->request;
    ARROW_ASSIGN_OR_RAISE(const json::object body,
                          ParseJsonObject("{\"vectors\": [" + options->vector + "]}"));
    ARROW_ASSIGN_OR_RAISE(NeighborsRequest vectors, NeighborsRequest::FromJson(body));
    request.vectors = std::move(vectors.vectors);
    if (request.columns.empty()) {
      ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, platform->GetFeatureGroup(ref));
      for (int i = 0; group.schema != nullptr && i < group.schema->num_fields(); ++i) {
        const std::string& name = group.schema->field(i)->name();
        if (!group.embeddings.contains(name)) request.columns.push_back(name);
      }
    }
    ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer found, platform->neighbors()->Find(ref, request));
    ARROW_ASSIGN_OR_RAISE(
        const auto rows,
        found.rows->RemoveColumn(found.rows->schema()->GetFieldIndex(std::string(kQueryColumn))));
    ARROW_ASSIGN_OR_RAISE(const Frame table, arrow::Table::FromRecordBatches({rows}));
    PrintFrame(*table, session->json, rows->num_rows());
    return Status::OK();
  });
}

}  // namespace tercet
