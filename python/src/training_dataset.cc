#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "frame.h"
#include "platform/training_files.h"
#include "project.h"

namespace tercet::python {
namespace {

/// (definition as JSON, [(part, features, labels, helpers, keys) …]).
nb::tuple TupleOf(const TrainingDatasetData& data) {
  nb::list parts;
  for (const TrainingPartData& part : data.parts) {
    parts.append(nb::make_tuple(part.name, FrameOf(part.features), FrameOf(part.labels),
                                FrameOf(part.helpers), FrameOf(part.keys)));
  }
  return nb::make_tuple(TextOf(data.definition), parts);
}

/// What TupleOf gave.
TrainingDatasetData DataOf(const std::string& definition, const nb::list& parts) {
  TrainingDatasetData data{.definition = NounOf<TrainingDatasetDefinition>(definition),
                           .parts = {}};
  for (const nb::handle item : parts) {
    const auto part = nb::cast<nb::tuple>(item);
    data.parts.push_back({.name = nb::cast<std::string>(part[0]),
                          .features = TableOf(part[1]),
                          .labels = TableOf(part[2]),
                          .helpers = TableOf(part[3]),
                          .keys = TableOf(part[4])});
  }
  return data;
}

}  // namespace

void BindTrainingDatasets(ProjectClass& project) {
  project
      .def_static("save_training_data",
                  [](const std::string& definition, const nb::list& parts,
                     const std::string& directory, const std::string& format) {
                    const TrainingDatasetData data = DataOf(definition, parts);
                    Unlocked([&] { return SaveTrainingData(data, directory, format); });
                  })
      .def_static("load_training_data",
                  [](const std::string& directory) {
                    return TupleOf(Unlocked([&] { return LoadTrainingData(directory); }));
                  })
      .def_static("undo_transformations",
                  [](const std::string& definition, nb::object features) {
                    const auto dataset = NounOf<TrainingDatasetDefinition>(definition);
                    const Frame frame = TableOf(features);
                    return FrameOf(Unlocked([&] { return UndoTransformations(dataset, frame); }));
                  })
      .def_static("diff_training_data",
                  [](const std::string& left, const std::string& right) {
                    return ToText(DiffTrainingData(NounOf<TrainingDatasetDefinition>(left),
                                                   NounOf<TrainingDatasetDefinition>(right)));
                  })
      .def("create_training_dataset",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::string& split, int64_t seed, std::optional<int64_t> start_us,
              std::optional<int64_t> end_us, nb::object spine,
              const std::vector<int64_t>& entity_times_us, bool known_at, nb::object progress) {
             const TrainingDataRequest request = {.split = NounOf<SplitDefinition>(split),
                                                  .seed = seed,
                                                  .start_us = start_us,
                                                  .end_us = end_us,
                                                  .spine = TableOf(spine),
                                                  .entity_times_us = entity_times_us,
                                                  .known_at = known_at};
             const Progress told = ProgressOf(progress);
             return TupleOf(Unlocked(
                 [&] { return self->CreateTrainingDataset({name, version}, request, told); }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(),
           nb::arg().none(), nb::arg(), nb::arg(), nb::arg().none())
      .def("rebuild_training_dataset",
           [](const CoreProject& self, const std::string& name, int64_t version,
              int64_t dataset_version, nb::object progress) {
             const Progress told = ProgressOf(progress);
             return TupleOf(Unlocked([&] {
               return self->RebuildTrainingDataset({name, version}, dataset_version, told);
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("training_fold",
           [](const CoreProject& self, const std::string& name, int64_t version,
              int64_t dataset_version, int64_t fold, nb::object progress) {
             const Progress told = ProgressOf(progress);
             return TupleOf(Unlocked([&] {
               return self->TrainingFold({name, version}, dataset_version, fold, told);
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("training_dataset",
           [](const CoreProject& self, const std::string& name, int64_t version,
              int64_t dataset_version) {
             return TextOf(Unlocked(
                 [&] { return self->GetTrainingDataset({name, version}, dataset_version); }));
           })
      .def("training_datasets",
           [](const CoreProject& self, std::optional<std::string> view, int64_t version) {
             return TextOfAll(Unlocked([&] {
               return self->ListTrainingDatasets(
                   view ? std::optional<Ref>({*view, version}) : std::nullopt);
             }));
           },
           nb::arg().none(), nb::arg())
      .def("drop_training_dataset",
           [](const CoreProject& self, const std::string& name, int64_t version,
              int64_t dataset_version) {
             Unlocked([&] { return self->DropTrainingDataset({name, version}, dataset_version); });
           });
}

}  // namespace tercet::python
