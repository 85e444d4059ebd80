#include "platform/local_discovery.h"
#include "platform/local_platform.h"

namespace tercet {
namespace {

/// The dataset as doors see it.
TrainingDatasetData DataOf(TrainingDataset dataset) {
  TrainingDatasetData data{.definition = std::move(dataset.definition), .parts = {}};
  for (TrainingPart& part : dataset.parts) {
    data.parts.push_back({.name = std::move(part.name),
                          .features = std::move(part.features),
                          .labels = std::move(part.labels),
                          .helpers = std::move(part.helpers),
                          .keys = std::move(part.keys)});
  }
  return data;
}

Status CheckNotLost(const TrainingDatasetDefinition& definition) {
  if (definition.lost.empty()) return Status::OK();
  return Status::IOError("cannot rebuild training dataset '", definition.ref().ToText(),
                         "': ", definition.lost);
}

}  // namespace

Result<TrainingDatasetData> LocalPlatform::CreateTrainingDataset(
    const Ref& view, const TrainingDataRequest& request, const Progress& progress) {
  ARROW_ASSIGN_OR_RAISE(TrainingDataset dataset,
                        training_.Create(view, {.split = request.split,
                                                .seed = request.seed,
                                                .start_us = request.start_us,
                                                .end_us = request.end_us,
                                                .spine = request.spine,
                                                .entity_times_us = request.entity_times_us,
                                                .known_at = request.known_at,
                                                .memory_limit_bytes = options_.memory_limit_bytes,
                                                .progress = progress}));
  return DataOf(std::move(dataset));
}

Result<TrainingDatasetData> LocalPlatform::RebuildTrainingDataset(const Ref& view, int64_t version,
                                                                  const Progress& progress) {
  ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition definition,
                        GetTrainingDataset(view, version));
  ARROW_RETURN_NOT_OK(CheckNotLost(definition));
  ARROW_ASSIGN_OR_RAISE(
      TrainingDataset dataset,
      training_.Rebuild(definition.ref(), {.memory_limit_bytes = options_.memory_limit_bytes,
                                           .progress = progress}));
  return DataOf(std::move(dataset));
}

Result<TrainingDatasetData> LocalPlatform::TrainingFold(const Ref& view, int64_t version,
                                                        int64_t fold, const Progress& progress) {
  ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition definition,
                        GetTrainingDataset(view, version));
  ARROW_RETURN_NOT_OK(CheckNotLost(definition));
  ARROW_ASSIGN_OR_RAISE(
      TrainingDataset dataset,
      training_.Fold(definition.ref(), fold, {.memory_limit_bytes = options_.memory_limit_bytes,
                                              .progress = progress}));
  return DataOf(std::move(dataset));
}

Result<TrainingDatasetDefinition> LocalPlatform::GetTrainingDataset(const Ref& view,
                                                                    int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, views_.Get(view));
  return training_.Get({definition.ref().ToText(), version});
}

Result<std::vector<TrainingDatasetDefinition>> LocalPlatform::ListTrainingDatasets(
    const std::optional<Ref>& view) {
  if (!view) return training_.List(std::nullopt);
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, views_.Get(*view));
  return training_.List(definition.ref());
}

Status LocalPlatform::DropTrainingDataset(const Ref& view, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition definition,
                        GetTrainingDataset(view, version));
  return discovery_->Refused(training_.Drop(definition.ref()), Kind::kTrainingDataset,
                             definition.ref());
}

}  // namespace tercet
