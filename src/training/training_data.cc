#include "training/training_data.h"

#include <algorithm>

#include "base/log.h"
#include "base/time_range.h"
#include "training/class_balance.h"
#include "training/part_maker.h"
#include "training/part_statistics.h"
#include "training/row_split.h"
#include "training/spine_file.h"
#include "view/entity_rows.h"
#include "view/point_in_time_read.h"

namespace tercet {
namespace {

/// How much of the work the point-in-time read is, for progress.
constexpr double kReadShare = 0.7;

using Progress = std::function<void(double)>;

void Tell(const Progress& progress, double fraction) {
  if (progress) progress(fraction);
}

Result<ViewRows> ReadRows(const ViewPlan& plan, FeatureTables* tables,
                          const TrainingDatasetDefinition& definition,
                          const std::shared_ptr<arrow::Table>& spine, TableStore* store,
                          const Progress& progress) {
  ViewReadOptions options{.start_us = definition.start_us,
                          .end_us = definition.end_us,
                          .spine = spine,
                          .pins = definition.pins,
                          .memory_limit_bytes = store->limit_bytes(),
                          .progress = nullptr};
  options.known_at = definition.known_at;
  if (progress) options.progress = [progress](double done) { progress(done * kReadShare); };
  return ReadInto(store, plan, tables, std::move(options));
}

Status CheckEqual(const TrainingDatasetDefinition& registered,
                  const std::vector<TrainingPart>& parts,
                  const std::map<std::string, std::string>& addresses) {
  for (const TrainingPart& part : parts) {
    const auto rows = registered.rows.find(part.name);
    const auto sha256 = registered.sha256.find(part.name);
    if (rows == registered.rows.end() || sha256 == registered.sha256.end()) {
      return Status::IOError("part '", part.name, "' is not in the registered definition");
    }
    if (part.features->num_rows() != rows->second) {
      return Status::IOError("part '", part.name, "' came out with ", part.features->num_rows(),
                             " rows, not the registered ", rows->second);
    }
    if (addresses.at(part.name) != sha256->second) {
      return Status::IOError("part '", part.name, "' came out with other bytes: SHA-256 ",
                             addresses.at(part.name), ", not the registered ", sha256->second);
    }
  }
  return Status::OK();
}

Status CheckPins(const ViewPlan& plan, const std::map<std::string, int64_t>& pins) {
  for (const ViewGroup& group : plan.groups()) {
    const std::string name = group.definition.ref().ToText();
    if (pins.contains(name)) continue;
    return Status::Invalid("nothing says as of which commit of '", name, "' the rows were read");
  }
  return Status::OK();
}

}  // namespace

TrainingData::TrainingData(Catalog* catalog, FeatureTables* tables,
                           std::shared_ptr<FileSystem> file_system, std::string root, const Clock*,
                           PythonFunctions* python)
    : catalog_(catalog),
      tables_(tables),
      file_system_(std::move(file_system)),
      root_(std::move(root)),
      views_(catalog, tables, python) {}

std::string TrainingData::FolderOf(const Ref& view) const {
  return JoinPath(JoinPath(root_, "training_datasets"), view.ToText());
}

Result<std::map<std::string, int64_t>> TrainingData::Pins(const ViewPlan& plan) {
  std::map<std::string, int64_t> pins;
  for (const ViewGroup& group : plan.groups()) {
    const Ref ref = group.definition.ref();
    if (pins.contains(ref.ToText())) continue;
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Table> table, tables_->Get(ref));
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<Snapshot> head, table->Head());
    pins[ref.ToText()] = head->version();
  }
  return pins;
}

Result<CatalogEntry> TrainingData::Register(const TrainingDatasetDefinition& definition,
                                            const ViewPlan& plan) {
  std::vector<NounRef> depends_on{{Kind::kFeatureView, definition.view}};
  for (const ViewGroup& group : plan.groups()) {
    const NounRef needed{Kind::kFeatureGroup, group.definition.ref()};
    if (std::find(depends_on.begin(), depends_on.end(), needed) == depends_on.end()) {
      depends_on.push_back(needed);
    }
  }
  return catalog_->Put(Kind::kTrainingDataset, {definition.view.ToText(), 0},
                       definition.ToJson(), depends_on);
}

Result<TrainingDataset> TrainingData::Create(const Ref& view, const TrainingDataOptions& options) {
  ARROW_RETURN_NOT_OK(options.split.Check());
  ARROW_RETURN_NOT_OK(CheckTimeRange("training data of feature view '" + view.ToText() + "'",
                                     options.start_us, options.end_us));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<const ViewPlan> plan, views_.Plan(view));
  TrainingDataset dataset;
  TrainingDatasetDefinition& definition = dataset.definition;
  definition.view = plan->definition().ref();
  definition.split = options.split;
  definition.seed = options.seed;
  definition.start_us = options.start_us;
  definition.end_us = options.end_us;
  definition.known_at = options.known_at;
  if (options.given) {
    ARROW_RETURN_NOT_OK(CheckPins(*plan, options.given->pins));
    definition.pins = options.given->pins;
    ARROW_ASSIGN_OR_RAISE(plan, views_.PlanAt(definition.view, definition.pins));
  } else {
    ARROW_ASSIGN_OR_RAISE(definition.pins, Pins(*plan));
  }

  TableStore store(options.memory_limit_bytes, tables_->write_memory().scratch_folder);
  std::shared_ptr<arrow::Table> spine = options.spine;
  const auto made = [&]() -> Status {
    if (!options.entity_times_us.empty()) {
      if (spine != nullptr) {
        return Status::Invalid("training data has a spine or times of all entities, not both");
      }
      ARROW_ASSIGN_OR_RAISE(
          spine, EntitiesAt(*plan, tables_, options.entity_times_us, definition.pins));
    }
    DividedRows divided;
    const std::vector<RawPart>& raw = divided.parts;
    RawPart whole;
    int64_t row_count = 0;
    {
      ARROW_ASSIGN_OR_RAISE(
          const ViewRows rows,
          options.given
              ? ReadInto(&store, options.given->next)
              : ReadRows(*plan, tables_, definition, spine, &store, options.progress));
      row_count = rows.columns->num_rows();
      ARROW_ASSIGN_OR_RAISE(divided,
                            DivideRows(*plan, options.split, options.seed, rows, store));
      ARROW_RETURN_NOT_OK(CheckParts(options.split, row_count, divided.rows));
      if (options.split.has_folds()) {
        ARROW_ASSIGN_OR_RAISE(whole, WholePart(*plan, rows));
      }
    }
    for (const RawPart& part : raw) definition.rows[part.name] = part.features->num_rows();
    ARROW_ASSIGN_OR_RAISE(definition.statistics, StatisticsOf(raw));
    for (const RawPart& part : raw) {
      ARROW_ASSIGN_OR_RAISE(json::object balance, ClassBalance(*part.labels));
      if (!balance.empty()) definition.class_balance[part.name] = std::move(balance);
    }
    Tell(options.progress, 0.8);
    const size_t fitting_place = FittingPart(raw);
    const RawPart* fitting = options.split.has_folds() ? &whole : &raw[fitting_place];
    ARROW_ASSIGN_OR_RAISE(
        const std::vector<FittedTransformation> fitted,
        FitAll(plan->definition().transformations, *fitting, definition.seed, store));
    for (const FittedTransformation& one : fitted) {
      definition.fitted_transformations.push_back(one.ToJson());
    }
    ARROW_ASSIGN_OR_RAISE(dataset.parts,
                          FinishParts(raw, fitted, fitting, definition.seed, store));
    if (options.given) {
      ARROW_ASSIGN_OR_RAISE(
          dataset.places,
          PlacesOf(row_count, divided.rows, fitted, options.split.has_folds() ? nullptr : fitting,
                   fitting_place, definition.seed, store));
    }
    Tell(options.progress, 0.9);
    ARROW_ASSIGN_OR_RAISE(definition.sha256, ContentAddresses(dataset.parts));
    definition.features = SchemaToJson(*dataset.parts.front().features->schema());
    definition.labels = SchemaToJson(*dataset.parts.front().labels->schema());
    return Status::OK();
  }();
  const std::string what = "training data of feature view '" + definition.view.ToText() + "'";
  if (!made.ok()) return Explain(made, what);

  if (spine != nullptr) {
    // Durable before the entry that names it: a registered dataset can always be made again.
    ARROW_ASSIGN_OR_RAISE(const SpineFile kept, WriteSpine(file_system_.get(),
                                                            FolderOf(definition.view),
                                                            *spine));
    definition.has_spine = true;
    definition.spine_file = kept.name;
    definition.spine_sha256 = kept.sha256;
  }
  const Result<CatalogEntry> entry = Register(definition, *plan);
  if (!entry.ok()) {
    // After an error of the disk the entry may be there all the same.
    const auto known = List(definition.view);
    const bool is_named =
        !known.ok() || std::any_of(known->begin(), known->end(), [&](const auto& other) {
          return other.spine_file == definition.spine_file;
        });
    if (definition.has_spine && !is_named) {
      const Status removed = file_system_->Remove(
          JoinPath(FolderOf(definition.view), definition.spine_file));
      if (!removed.ok()) LogWarn("a spine without a dataset is left: " + removed.ToString());
    }
    return Explain(entry.status(), what);
  }
  definition.version = entry->ref.version;
  Tell(options.progress, 1);
  return dataset;
}

Result<Ref> TrainingData::Resolve(const Ref& dataset) {
  ARROW_ASSIGN_OR_RAISE(const Ref view, Ref::Parse(dataset.name));
  if (view.version != 0) return dataset;
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition newest, views_.Get(view));
  return Ref{newest.ref().ToText(), dataset.version};
}

Result<TrainingDatasetDefinition> TrainingData::Get(const Ref& dataset) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Resolve(dataset));
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog_->Get(Kind::kTrainingDataset, ref));
  ARROW_ASSIGN_OR_RAISE(auto definition, TrainingDatasetDefinition::FromJson(entry.definition));
  definition.version = entry.ref.version;
  return definition;
}

Result<std::vector<TrainingDatasetDefinition>> TrainingData::List(const std::optional<Ref>& view) {
  const std::optional<std::string> name =
      view && view->version != 0 ? std::optional(view->ToText()) : std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const std::vector<CatalogEntry> entries,
                        catalog_->List(Kind::kTrainingDataset, name));
  std::vector<TrainingDatasetDefinition> datasets;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(auto definition, TrainingDatasetDefinition::FromJson(entry.definition));
    if (view && definition.view.name != view->name) continue;
    definition.version = entry.ref.version;
    datasets.push_back(std::move(definition));
  }
  return datasets;
}

Result<ViewRows> TrainingData::ReadAgain(const ViewPlan& plan,
                                         const TrainingDatasetDefinition& definition,
                                         const RebuildOptions& options, TableStore* store) {
  std::shared_ptr<arrow::Table> spine;
  if (definition.has_spine) {
    ARROW_ASSIGN_OR_RAISE(
        spine, ReadSpine(file_system_.get(), FolderOf(definition.view),
                         {.name = definition.spine_file, .sha256 = definition.spine_sha256}));
  }
  return ReadRows(plan, tables_, definition, spine, store, options.progress);
}

Result<TrainingDataset> TrainingData::Rebuild(const Ref& ref, const RebuildOptions& options) {
  TrainingDataset dataset;
  ARROW_ASSIGN_OR_RAISE(dataset.definition, Get(ref));
  const TrainingDatasetDefinition& definition = dataset.definition;
  TableStore store(options.memory_limit_bytes, tables_->write_memory().scratch_folder);
  const auto made = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto plan, views_.PlanAt(definition.view, definition.pins));
    ARROW_ASSIGN_OR_RAISE(const ViewRows rows, ReadAgain(*plan, definition, options, &store));
    ARROW_ASSIGN_OR_RAISE(const DividedRows divided,
                          DivideRows(*plan, definition.split, definition.seed, rows, store));
    const std::vector<RawPart>& raw = divided.parts;
    ARROW_ASSIGN_OR_RAISE(const std::vector<FittedTransformation> fitted,
                          FittedFromJson(definition.fitted_transformations));
    const RawPart* fitting =
        definition.split.has_folds() ? nullptr : &raw[FittingPart(raw)];
    ARROW_ASSIGN_OR_RAISE(dataset.parts,
                          FinishParts(raw, fitted, fitting, definition.seed, store));
    Tell(options.progress, 0.9);
    ARROW_ASSIGN_OR_RAISE(const auto addresses, ContentAddresses(dataset.parts));
    return CheckEqual(definition, dataset.parts, addresses);
  }();
  if (!made.ok()) {
    return Explain(made,
                   "cannot rebuild training dataset '" + definition.ref().ToText() + "'");
  }
  Tell(options.progress, 1);
  return dataset;
}

Result<TrainingDataset> TrainingData::Fold(const Ref& ref, int64_t fold,
                                           const RebuildOptions& options) {
  TrainingDataset dataset;
  ARROW_ASSIGN_OR_RAISE(dataset.definition, Get(ref));
  TrainingDatasetDefinition& definition = dataset.definition;
  TableStore store(options.memory_limit_bytes, tables_->write_memory().scratch_folder);
  const auto made = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto plan, views_.PlanAt(definition.view, definition.pins));
    ARROW_ASSIGN_OR_RAISE(const ViewRows rows,
                          options.given ? ReadInto(&store, options.given->next)
                                        : ReadAgain(*plan, definition, options, &store));
    ARROW_ASSIGN_OR_RAISE(const DividedRows divided,
                          DivideFold(*plan, definition.split, definition.seed, rows, fold, store));
    const std::vector<RawPart>& raw = divided.parts;
    ARROW_ASSIGN_OR_RAISE(
        const std::vector<FittedTransformation> fitted,
        FitAll(plan->definition().transformations, raw[0], definition.seed, store));
    definition.fitted_transformations.clear();
    for (const FittedTransformation& one : fitted) {
      definition.fitted_transformations.push_back(one.ToJson());
    }
    ARROW_ASSIGN_OR_RAISE(dataset.parts,
                          FinishParts(raw, fitted, &raw[0], definition.seed, store));
    if (options.given) {
      ARROW_ASSIGN_OR_RAISE(dataset.places, PlacesOf(rows.columns->num_rows(), divided.rows, fitted,
                                                     &raw[0], 0, definition.seed, store));
    }
    definition.rows.clear();
    for (const RawPart& part : raw) definition.rows[part.name] = part.features->num_rows();
    ARROW_ASSIGN_OR_RAISE(definition.sha256, ContentAddresses(dataset.parts));
    definition.features = SchemaToJson(*dataset.parts.front().features->schema());
    return Status::OK();
  }();
  if (!made.ok()) {
    return Explain(made, "fold " + std::to_string(fold) + " of training dataset '" +
                             definition.ref().ToText() + "'");
  }
  Tell(options.progress, 1);
  return dataset;
}

Status TrainingData::Drop(const Ref& dataset) {
  ARROW_ASSIGN_OR_RAISE(const TrainingDatasetDefinition definition, Get(dataset));
  ARROW_RETURN_NOT_OK(catalog_->Drop(Kind::kTrainingDataset, definition.ref()));
  if (!definition.has_spine) return Status::OK();
  return Explain(
      file_system_->Remove(JoinPath(FolderOf(definition.view), definition.spine_file)),
      "training dataset '" + definition.ref().ToText() + "' is dropped, but not its spine");
}

}  // namespace tercet
