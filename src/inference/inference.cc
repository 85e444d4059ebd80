#include "inference/inference.h"

#include "inference/batch.h"
#include "inference/release_fit.h"
#include "inference/served_releases.h"
#include "view/vector_read.h"

namespace tercet {
namespace {

/// Messages about values that were not there; more than this many help nobody.
constexpr size_t kMissingListed = 1000;

std::vector<std::string> Missing(const arrow::Schema& features, const VectorAnswer& answer) {
  std::vector<std::string> missing;
  size_t unlisted = 0;
  for (size_t f = 0; f < answer.status.size(); ++f) {
    for (size_t row = 0; row < answer.status[f].size(); ++row) {
      const RowStatus status = answer.status[f][row];
      if (status == RowStatus::kPresent) continue;
      if (missing.size() == kMissingListed) {
        ++unlisted;
        continue;
      }
      missing.push_back(features.field(static_cast<int>(f))->name() + ": " +
                        std::string(RowStatusName(status)) + " (row " + std::to_string(row) + ")");
    }
  }
  if (unlisted > 0) missing.push_back("and " + std::to_string(unlisted) + " more");
  return missing;
}

}  // namespace

class Inference::Impl {
 public:
  Impl(Catalog* catalog, FeatureTables* tables, Registry* registry, OnlineRows* online,
       const Clock* clock, const PredictorOptions& options)
      : catalog_(catalog),
        tables_(tables),
        registry_(registry),
        online_(online),
        clock_(clock),
        views_(catalog, tables),
        releases_(catalog, &views_, registry, options) {}

  Result<Release> MakeRelease(const Ref& model) {
    ARROW_ASSIGN_OR_RAISE(const ModelDefinition definition, registry_->GetModel(model));
    return ReleaseOf(catalog_, &views_, definition);
  }

  Result<std::shared_ptr<arrow::Table>> Batch(const Ref& model, const BatchOptions& options) {
    ARROW_ASSIGN_OR_RAISE(const Release release, MakeRelease(model));
    ARROW_ASSIGN_OR_RAISE(const auto loaded, releases_.Load(release));
    return PredictBatch(*loaded, tables_, options);
  }

  Result<Prediction> Predict(const std::string& deployment,
                             const std::shared_ptr<arrow::RecordBatch>& entities,
                             std::optional<int64_t> event_time_us) {
    ARROW_ASSIGN_OR_RAISE(const ServedReleases::Served served, releases_.Of(deployment));
    const LoadedRelease& loaded = *served.loaded;
    Prediction prediction;
    prediction.release_id = loaded.release().id;
    prediction.release_number = served.number;
    if (loaded.plan() == nullptr) {
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsFrom(*entities));
    } else {
      const std::vector<int64_t> times(entities->num_rows(),
                                       event_time_us.value_or(clock_->NowMicros()));
      ARROW_ASSIGN_OR_RAISE(const VectorAnswer answer,
                            ReadVectors(*loaded.plan(), online_, entities, times));
      ARROW_ASSIGN_OR_RAISE(prediction.features, loaded.InputsOf(answer.features));
      prediction.missing = Missing(*answer.features->schema(), answer);
    }
    ARROW_ASSIGN_OR_RAISE(prediction.outputs, loaded.Predict(*prediction.features));
    return prediction;
  }

  Result<Contract> ContractOf(const std::string& deployment) {
    ARROW_ASSIGN_OR_RAISE(const ServedReleases::Served served, releases_.Of(deployment));
    const LoadedRelease& loaded = *served.loaded;
    Contract contract{.entities = loaded.signature().inputs,
                      .optional = arrow::schema({}),
                      .outputs = loaded.signature().outputs,
                      .release_id = loaded.release().id,
                      .release_number = served.number};
    if (loaded.plan() == nullptr) return contract;
    contract.entities = loaded.plan()->entity_schema();
    const arrow::Schema& labels = *loaded.plan()->label_schema();
    arrow::FieldVector optional;
    for (const ViewColumn& column : loaded.plan()->columns()) {
      if (labels.GetFieldIndex(column.name) < 0 &&
          contract.entities->GetFieldIndex(column.name) < 0) {
        optional.push_back(arrow::field(column.name, column.type));
      }
    }
    // What the root group has and this release does not use may come along, so that a client can
    // ask releases of different views alike: an upgrade must not make its requests fail.
    const ViewGroup& root = loaded.plan()->groups().front();
    for (const auto& field : root.definition.schema->fields()) {
      const arrow::Schema so_far(optional);
      if (labels.GetFieldIndex(field->name()) < 0 && so_far.GetFieldIndex(field->name()) < 0 &&
          contract.entities->GetFieldIndex(field->name()) < 0) {
        optional.push_back(field);
      }
    }
    contract.optional = arrow::schema(std::move(optional));
    return contract;
  }

  Status WarmUp(const std::string& deployment) { return releases_.Of(deployment).status(); }

 private:
  Catalog* const catalog_;
  FeatureTables* const tables_;
  Registry* const registry_;
  OnlineRows* const online_;
  const Clock* const clock_;
  FeatureViews views_;
  ServedReleases releases_;
};

Inference::Inference(Catalog* catalog, FeatureTables* tables, Registry* registry,
                     OnlineRows* online, const Clock* clock,
                     const PredictorOptions& predictor_options)
    : impl_(std::make_unique<Impl>(catalog, tables, registry, online, clock, predictor_options)) {}

Inference::~Inference() = default;

Result<std::shared_ptr<arrow::Table>> Inference::Batch(const Ref& model,
                                                       const BatchOptions& options) {
  return impl_->Batch(model, options);
}

Result<Release> Inference::MakeRelease(const Ref& model) { return impl_->MakeRelease(model); }

Result<Prediction> Inference::Predict(const std::string& deployment,
                                      const std::shared_ptr<arrow::RecordBatch>& entities,
                                      std::optional<int64_t> event_time_us) {
  return impl_->Predict(deployment, entities, event_time_us);
}

Result<Inference::Contract> Inference::ContractOf(const std::string& deployment) {
  return impl_->ContractOf(deployment);
}

Status Inference::WarmUp(const std::string& deployment) { return impl_->WarmUp(deployment); }

}  // namespace tercet
