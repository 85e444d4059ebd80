#include <arrow/array/builder_binary.h>

#include "base/time_range.h"
#include "base/time_text.h"
#include "compute/statistics.h"
#include "compute/transformation.h"
#include "platform/local_discovery.h"
#include "platform/local_neighbors.h"
#include "platform/local_platform.h"
#include "platform/source_folder.h"
#include "training/dataset_erasure.h"
#include "view/vector_read.h"

namespace tercet {

Result<FeatureGroupDefinition> LocalPlatform::DefineFeatureGroup(
    const FeatureGroupDefinition& definition) {
  if (definition.source && options_.source_folders) {
    ARROW_RETURN_NOT_OK(CheckSourceFolder(*definition.source, *options_.source_folders));
  }
  return tables_.Define(definition);
}

Result<FeatureGroupDefinition> LocalPlatform::GetFeatureGroup(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(FeatureGroupDefinition definition, tables_.Definition(ref));
  ARROW_RETURN_NOT_OK(discovery_->Describe(&definition));
  return definition;
}

Result<std::vector<FeatureGroupDefinition>> LocalPlatform::ListFeatureGroups() {
  ARROW_ASSIGN_OR_RAISE(auto definitions, tables_.List());
  for (FeatureGroupDefinition& definition : definitions) {
    ARROW_RETURN_NOT_OK(discovery_->Describe(&definition));
  }
  return definitions;
}

Status LocalPlatform::DropFeatureGroup(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_.Definition(ref));
  ARROW_RETURN_NOT_OK(
      discovery_->Refused(tables_.Drop(definition.ref()), Kind::kFeatureGroup, definition.ref()));
  ARROW_RETURN_NOT_OK(neighbors_->Forget(definition.ref()));
  return definition.online ? online_->Drop(definition.ref()) : Status::OK();
}

Result<Commit> LocalPlatform::Insert(const Ref& ref, const RecordBatchReader& rows,
                                     const InsertRequest& request) {
  return ingest_->Insert(ref, rows,
                         {.mode = request.mode,
                          .idempotency_key = request.idempotency_key,
                          .wait_online = request.wait_online});
}

Result<Commit> LocalPlatform::Delete(const Ref& ref, const RecordBatchReader& keys,
                                     bool wait_online) {
  return ingest_->Delete(ref, keys, wait_online);
}

Result<std::shared_ptr<Snapshot>> LocalPlatform::SnapshotOf(const Ref& ref,
                                                            const ReadRequest& request) {
  if (request.version && request.as_of_us) {
    return Status::Invalid("read of feature group '", ref.ToText(),
                           "': give a commit or a time as of which to read, not both");
  }
  ARROW_RETURN_NOT_OK(CheckTimeRange("read of feature group '" + ref.ToText() + "'",
                                     request.start_us, request.end_us));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(ref));
  if (request.version) return table->AtVersion(*request.version);
  if (request.as_of_us) return table->AtTime(*request.as_of_us);
  return table->Head();
}

Result<RecordBatchReader> LocalPlatform::Read(const Ref& ref, const ReadRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> snapshot, SnapshotOf(ref, request));
  return snapshot->Scan(
      {.columns = request.columns, .start_us = request.start_us, .end_us = request.end_us});
}

Result<std::vector<Commit>> LocalPlatform::Commits(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(ref));
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_.Definition(ref));
  ARROW_ASSIGN_OR_RAISE(std::vector<Commit> commits, table->Commits());
  for (Commit& commit : commits) commit.feature_group = definition.ref();
  return commits;
}

Result<RecordBatchReader> LocalPlatform::Changes(const Ref& ref, int64_t since, int64_t until) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(ref));
  return table->Changes(since, until);
}

Result<json::object> LocalPlatform::Statistics(const Ref& ref, const ReadRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader reader, Read(ref, request));
  ARROW_ASSIGN_OR_RAISE(const Frame table, reader->ToTable());
  return Describe(*table);
}

Result<Commit> LocalPlatform::Compact(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(ref));
  ARROW_ASSIGN_OR_RAISE(Commit commit, table->Compact());
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_.Definition(ref));
  commit.feature_group = definition.ref();
  return commit;
}

Result<FeatureGroupDefinition> LocalPlatform::AlterFeatureGroup(
    const Ref& ref, const FeatureGroupChange& change) {
  return ingest_->Alter(ref, change);
}

Result<VacuumReport> LocalPlatform::Vacuum(const Ref& ref, const VacuumRequest& request) {
  return tables_.Vacuum(ref, request);
}

Result<ErasureReport> LocalPlatform::Erase(const std::optional<Ref>& group,
                                           const RecordBatchReader& keys) {
  ARROW_ASSIGN_OR_RAISE(const Frame table, keys->ToTable());
  DatasetErasure datasets(catalog_.get(), &tables_, &views_, layout_.file_system, layout_.tables,
                          clock_);
  // Spines first: as long as their groups have the entities, a second call finds what a first one,
  // cut off in between, left.
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> of_spines, datasets.Find(group, table));
  ARROW_ASSIGN_OR_RAISE(
      ErasureReport report,
      ingest_->Erase(group, std::make_shared<arrow::TableBatchReader>(table)));
  for (const auto& [name, erased] : report.groups) {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(name));
    ARROW_RETURN_NOT_OK(neighbors_->Forget(ref));
  }
  ARROW_RETURN_NOT_OK(datasets.Forget(of_spines, &report));
  return report;
}

Result<int64_t> LocalPlatform::RebuildOnline(const Ref& ref, std::optional<int64_t> version) {
  constexpr int64_t kTimeoutUs = 3600LL * 1'000'000;
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, tables_.Definition(ref));
  if (version && *version < 0) {
    return Status::KeyError("feature group '", group.ref().ToText(), "' has no commit ", *version);
  }
  ARROW_RETURN_NOT_OK(online_->Rebuild(group.ref(), version.value_or(-1), kTimeoutUs));
  return version ? Result<int64_t>(*version) : online_->AppliedVersion(group.ref());
}

Result<json::object> LocalPlatform::DescribeFeatureGroup(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition definition, tables_.Definition(ref));
  json::object described = {{"name", definition.name}, {"definition_version", definition.version}};
  // Declared without a schema and nothing inserted yet: there is no table to tell of.
  if (definition.schema == nullptr) return described;
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_.Get(definition.ref()));
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
  const std::optional<int64_t> rows = head->row_count();
  described["rows"] = rows ? json::value(*rows) : json::value(nullptr);
  described["bytes"] = head->total_bytes();
  described["files"] = head->file_count();
  described["version"] = head->version();
  described["commit_time"] = FormatTime(head->commit_time_us());
  json::object properties;
  for (const auto& [name, text] : head->properties()) {
    // What is no setting but Tercet's own note, of no use to a reader.
    if (name != "tercet.arrow_schema" && name != "tercet.defaults") properties[name] = text;
  }
  described["properties"] = std::move(properties);
  if (definition.online) {
    ARROW_ASSIGN_OR_RAISE(const int64_t applied, online_->AppliedVersion(definition.ref()));
    described["online_version"] = applied;
  }
  return described;
}

Result<FeatureViewDefinition> LocalPlatform::DefineFeatureView(
    const FeatureViewDefinition& definition) {
  if (!definition.functions.empty() && !options_.allow_predictor_code) {
    // What was allowed once may be asked for again, as a pipeline does that gets or creates.
    const auto stored = views_.Get(definition.ref());
    if (!stored.ok() || stored->functions != definition.functions) {
      return Status::NotImplemented("feature view '", definition.name,
                                    "' brings Python code, which this server does not run; start "
                                    "it with --allow-predictor-code to allow it");
    }
  }
  return views_.Define(definition);
}

Result<FeatureViewDefinition> LocalPlatform::GetFeatureView(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(FeatureViewDefinition definition, views_.Get(ref));
  ARROW_RETURN_NOT_OK(discovery_->Describe(&definition));
  return definition;
}

Result<std::vector<FeatureViewDefinition>> LocalPlatform::ListFeatureViews() {
  ARROW_ASSIGN_OR_RAISE(auto definitions, views_.List());
  for (FeatureViewDefinition& definition : definitions) {
    ARROW_RETURN_NOT_OK(discovery_->Describe(&definition));
  }
  return definitions;
}

Status LocalPlatform::DropFeatureView(const Ref& ref) {
  return discovery_->Refused(views_.Drop(ref), Kind::kFeatureView, ref);
}

Result<VectorContract> LocalPlatform::ContractOfView(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const ViewPlan> plan, views_.Plan(ref));
  const std::shared_ptr<arrow::Schema> entities = plan->entity_schema();
  arrow::FieldVector optional;
  for (const ViewColumn& column : plan->columns()) {
    if (entities->GetFieldIndex(column.name) < 0) {
      optional.push_back(arrow::field(column.name, column.type));
    }
  }
  return VectorContract{.entities = entities,
                        .optional = arrow::schema(std::move(optional)),
                        .features = plan->feature_schema()};
}

namespace {

class LocalVectorReader : public VectorReader {
 public:
  LocalVectorReader(std::shared_ptr<const VectorLookup> lookup, VectorRows* online,
                    const Clock* clock)
      : lookup_(std::move(lookup)), online_(online), clock_(clock) {}

  const std::shared_ptr<arrow::Schema>& entities() const override { return lookup_->entities(); }
  const std::shared_ptr<arrow::Schema>& features() const override {
    return lookup_->plan()->feature_schema();
  }
  const std::shared_ptr<arrow::Schema>& helpers() const override {
    return lookup_->plan()->helper_schema();
  }
  Result<bool> Read(std::span<const Cell> entity, std::optional<int64_t> event_time_us,
                    VectorCells* vector) const override {
    const int64_t time_us = event_time_us ? *event_time_us : clock_->NowMicros();
    return lookup_->Read(online_, entity, time_us, vector);
  }
  Result<ColumnsRead> ReadColumns(std::span<const Cell> entities,
                                  std::optional<int64_t> event_time_us,
                                  std::span<const ColumnTarget> features) const override {
    const int64_t time_us = event_time_us ? *event_time_us : clock_->NowMicros();
    return lookup_->ReadColumns(online_, entities, time_us, features);
  }

 private:
  const std::shared_ptr<const VectorLookup> lookup_;
  VectorRows* const online_;
  const Clock* const clock_;
};

}  // namespace

Result<std::shared_ptr<const VectorReader>> LocalPlatform::Reader(const Ref& view) {
  ARROW_ASSIGN_OR_RAISE(auto lookup, views_.Lookup(view));
  if (lookup == nullptr) return nullptr;
  return std::make_shared<LocalVectorReader>(std::move(lookup), online_.get(), clock_);
}

Result<VectorData> LocalPlatform::Vectors(const Ref& view, const VectorRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const ViewPlan> plan, views_.Plan(view));
  const int64_t now = request.event_time_us.value_or(clock_->NowMicros());
  const std::vector<int64_t> times(request.entities->num_rows(), now);
  ARROW_ASSIGN_OR_RAISE(const VectorAnswer answer,
                        ReadVectors(*plan, online_.get(), request.entities, times));
  VectorData data{.features = answer.features, .status = nullptr, .helpers = answer.helpers};
  arrow::ArrayVector arrays;
  arrays.reserve(answer.status.size());
  for (int f = 0; f < answer.features->num_columns(); ++f) {
    // Features of one group have one status, so most columns are the one before: building each
    // took a third of a request.
    if (f > 0 && answer.status[f] == answer.status[f - 1]) {
      arrays.push_back(arrays.back());
      continue;
    }
    arrow::StringBuilder builder;
    for (const RowStatus status : answer.status[f]) {
      ARROW_RETURN_NOT_OK(builder.Append(RowStatusName(status)));
    }
    ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), builder.Finish());
  }
  data.status =
      arrow::RecordBatch::Make(plan->status_schema(), times.size(), std::move(arrays));
  if (request.training_dataset_version) {
    ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition dataset,
                          GetTrainingDataset(view, *request.training_dataset_version));
    std::vector<FittedTransformation> fitted;
    for (const json::value& item : dataset.fitted_transformations) {
      ARROW_ASSIGN_OR_RAISE(fitted.emplace_back(),
                            FittedTransformation::FromJson(item.as_object()));
    }
    ARROW_ASSIGN_OR_RAISE(const auto transformations,
                          TransformationPlan::Make(fitted, answer.features->schema()));
    ARROW_ASSIGN_OR_RAISE(data.features, transformations->Apply(answer.features));
  }
  return data;
}

}  // namespace tercet
