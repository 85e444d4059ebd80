#include "inference/prediction_table.h"

#include <algorithm>

#include <arrow/array/util.h>

#include "base/log.h"
#include "inference/prediction_rows.h"

namespace tercet {
namespace {

constexpr char kTag[] = "prediction_log";

std::vector<std::string> PrimaryKey(const arrow::Schema& rows, size_t keys) {
  std::vector<std::string> key;
  for (size_t k = 0; k < keys; ++k) key.push_back(rows.field(static_cast<int>(k))->name());
  key.push_back(kLogRequestId);
  return key;
}

FeatureGroupDefinition NewGroup(const std::string& deployment, int64_t version,
                                const arrow::Schema& rows, size_t keys) {
  FeatureGroupDefinition group{.name = PredictionGroupName(deployment), .version = version};
  group.primary_key = PrimaryKey(rows, keys);
  group.event_time = kLogEventTime;
  group.description = "What deployment '" + deployment + "' was asked, read and answered";
  group.tags[kTag] = deployment;
  group.schema = arrow::schema(rows.fields());
  return group;
}

/// What a group lacks to take the rows; nullopt when it never can.
std::optional<FeatureGroupChange> Lacking(const FeatureGroupDefinition& group,
                                          const arrow::Schema& rows, size_t keys) {
  if (group.primary_key != PrimaryKey(rows, keys) || group.schema == nullptr) return std::nullopt;
  FeatureGroupChange change;
  for (const auto& field : rows.fields()) {
    const auto there = group.schema->GetFieldByName(field->name());
    if (there == nullptr) {
      change.add.push_back({.name = field->name(), .type = field->type(), .default_value = {}});
    } else if (!there->type()->Equals(*field->type())) {
      return std::nullopt;
    }
  }
  return change;
}

/// The newest version of the log's group, made fit for the rows.
Result<Ref> GroupFor(FeatureTables* tables, const std::string& deployment,
                     const arrow::Schema& rows, size_t keys) {
  ARROW_ASSIGN_OR_RAISE(const auto groups, PredictionGroups(tables, deployment));
  const auto change = groups.empty() ? std::nullopt : Lacking(groups.back(), rows, keys);
  if (!change) {
    const int64_t version = groups.empty() ? 1 : groups.back().version + 1;
    ARROW_ASSIGN_OR_RAISE(const auto made,
                          tables->Define(NewGroup(deployment, version, rows, keys)));
    return made.ref();
  }
  if (!change->add.empty()) {
    ARROW_RETURN_NOT_OK(tables->Alter(groups.back().ref(), *change));
  }
  return groups.back().ref();
}

/// The rows with all of the table's columns.
Result<std::shared_ptr<arrow::RecordBatch>> Widened(const arrow::RecordBatch& rows,
                                                    const std::shared_ptr<arrow::Schema>& schema) {
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    auto column = rows.GetColumnByName(field->name());
    if (column == nullptr) {
      ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), rows.num_rows()));
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(columns));
}

}  // namespace

std::string PredictionGroupName(const std::string& deployment) {
  return deployment + "_predictions";
}

Result<std::vector<FeatureGroupDefinition>> PredictionGroups(FeatureTables* tables,
                                                             const std::string& deployment) {
  const std::string name = PredictionGroupName(deployment);
  std::vector<FeatureGroupDefinition> groups;
  const auto newest = tables->Definition({name, 0});
  if (newest.status().IsKeyError()) return groups;
  ARROW_RETURN_NOT_OK(newest.status());
  for (int64_t version = 1; version <= newest->version; ++version) {
    const auto one = tables->Definition({name, version});
    if (one.status().IsKeyError()) continue;  // It was dropped.
    ARROW_RETURN_NOT_OK(one.status());
    const auto tag = one->tags.find(kTag);
    if (tag == one->tags.end() || tag->second != deployment) {
      return Status::Invalid("feature group '", one->ref().ToText(),
                             "' stands where the prediction log of deployment '", deployment,
                             "' would be kept; give it another name");
    }
    groups.push_back(*one);
  }
  return groups;
}

Status AppendPredictions(FeatureTables* tables, const std::string& deployment,
                         const std::shared_ptr<arrow::RecordBatch>& rows, size_t keys) {
  // Another process may make or widen the group at the same time.
  constexpr int kTries = 3;
  Result<Ref> group = GroupFor(tables, deployment, *rows->schema(), keys);
  for (int i = 1; i < kTries && (group.status().IsAlreadyExists() || group.status().IsCancelled());
       ++i) {
    group = GroupFor(tables, deployment, *rows->schema(), keys);
  }
  ARROW_RETURN_NOT_OK(group.status());
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables->Get(*group));
  ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
  ARROW_ASSIGN_OR_RAISE(const auto widened, Widened(*rows, head->schema()));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make({widened}));
  ARROW_RETURN_NOT_OK(table->Write(reader, {.mode = InsertMode::kAppend}));
  // The rows are kept, whatever becomes of this.
  const auto due = table->CompactionDue();
  const Status merged =
      !due.ok() ? due.status() : *due ? table->Compact().status() : Status::OK();
  if (!merged.ok()) {
    LogWarn("merging files of feature group '" + group->ToText() + "': " + merged.ToString());
  }
  return Status::OK();
}

}  // namespace tercet
