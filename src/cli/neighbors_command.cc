#include "catalog/embedding.h"
#include "cli/entity_text.h"
#include "cli/output.h"
#include "cli/session.h"
#include "platform/neighbors.h"

namespace tercet {
namespace {

struct NeighborsOptions {
  std::string noun, vector;  // the group's or the view's name
  std::vector<std::string> entity;
  NeighborsRequest request;
};

std::shared_ptr<NeighborsOptions> AddOptions(CLI::App* command, const char* noun,
                                             const char* of_filter) {
  auto options = std::make_shared<NeighborsOptions>();
  command->add_option(noun, options->noun, "NAME or NAME@VERSION")->required();
  command->add_option("vector", options->vector, "As JSON: [0.1, 0.2, …]")->required();
  command->add_option("-k", options->request.k, "Rows wanted")->capture_default_str();
  command->add_option("--column", options->request.column,
                      "The embedding, where there are several");
  command->add_option("--filter", options->request.filter, of_filter);
  command->add_flag("--exact", options->request.exact, "Compare with every row");
  return options;
}

Result<NeighborsRequest> RequestOf(const NeighborsOptions& options) {
  NeighborsRequest request = options.request;
  ARROW_ASSIGN_OR_RAISE(const json::object body,
                        ParseJsonObject("{\"vectors\": [" + options.vector + "]}"));
  ARROW_ASSIGN_OR_RAISE(NeighborsRequest vectors, NeighborsRequest::FromJson(body));
  request.vectors = std::move(vectors.vectors);
  return request;
}

/// Batches of as many rows beside each other, without the vector's number.
Status Print(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
             const Session& session) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& batch : batches) {
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (batch->column_name(i) == kQueryColumn) continue;
      fields.push_back(batch->schema()->field(i));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(batch->column(i)));
    }
  }
  const int64_t rows = batches[0]->num_rows();
  const Frame table =
      arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows);
  PrintFrame(*table, session.json, rows);
  return Status::OK();
}

}  // namespace

void AddNeighborsCommand(CLI::App* app, Session* session) {
  CLI::App* neighbors = app->add_subcommand(
      "neighbors", "Finds the rows of an online group that are nearest to a vector");
  const auto options = AddOptions(
      neighbors, "group", "A condition on the group's columns: price < 30 and city = 'Oslo'");
  neighbors
      ->add_option("--columns", options->request.columns,
                   "Columns to print; by default all but the embedding")
      ->delimiter(',');
  OnRun(neighbors, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->noun));
    ARROW_ASSIGN_OR_RAISE(NeighborsRequest request, RequestOf(*options));
    if (request.columns.empty()) {
      ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, platform->GetFeatureGroup(ref));
      for (int i = 0; group.schema != nullptr && i < group.schema->num_fields(); ++i) {
        const std::string& name = group.schema->field(i)->name();
        if (!group.embeddings.contains(name)) request.columns.push_back(name);
      }
    }
    ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer found, platform->neighbors()->Find(ref, request));
    return Print({found.rows}, *session);
  });
}

void AddViewNeighborsCommand(CLI::App* views, Session* session) {
  CLI::App* neighbors = views->add_subcommand(
      "neighbors", "Feature vectors of the entities that are nearest to a vector, online");
  const auto options = AddOptions(neighbors, "view", "A condition on the view's features");
  neighbors->add_option("entity", options->entity,
                        "KEY=VALUE … of what the rows found do not say");
  OnRun(neighbors, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->noun));
    VectorNeighborsRequest request;
    ARROW_ASSIGN_OR_RAISE(request.search, RequestOf(*options));
    if (!options->entity.empty()) {
      ARROW_ASSIGN_OR_RAISE(const VectorContract takes, platform->ContractOfView(ref));
      ARROW_ASSIGN_OR_RAISE(request.entities,
                            EntityOf(options->entity, *takes.entities, *takes.optional));
    }
    ARROW_ASSIGN_OR_RAISE(const VectorNeighborsAnswer found,
                          platform->neighbors()->FindVectors(ref, request));
    return Print({found.near, found.entities, found.vectors.features}, *session);
  });
}

}  // namespace tercet
