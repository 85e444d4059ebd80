#include <string>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "frame.h"
#include "project.h"
#include "rows.h"

namespace tercet::python {

void BindFeatureViews(ProjectClass& project) {
  project
      .def("define_feature_view",
           [](const CoreProject& self, const std::string& definition) {
             const auto wanted = NounOf<FeatureViewDefinition>(definition);
             return TextOf(Unlocked([&] { return self->DefineFeatureView(wanted); }));
           })
      .def("feature_view",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             return TextOf(Unlocked([&] { return self->GetFeatureView({name, version}); }));
           })
      .def("feature_views",
           [](const CoreProject& self) {
             return TextOfAll(Unlocked([&] { return self->ListFeatureViews(); }));
           })
      .def("drop_feature_view",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             Unlocked([&] { return self->DropFeatureView({name, version}); });
           })
      // (features, status, helpers) as frames; `vector_rows` the same as lists of dicts.
      .def("vectors",
           [](const CoreProject& self, const std::string& name, int64_t version,
              nb::object entities, std::optional<int64_t> event_time_us,
              std::optional<int64_t> training_dataset_version) {
             const VectorRequest request = {.entities = BatchOf(entities),
                                            .event_time_us = event_time_us,
                                            .training_dataset_version = training_dataset_version};
             const VectorData data =
                 Unlocked([&] { return self->Vectors({name, version}, request); });
             return nb::make_tuple(FrameOf(data.features), FrameOf(data.status),
                                   FrameOf(data.helpers));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none())
      .def("vector_rows",
           [](const CoreProject& self, const std::string& name, int64_t version,
              nb::object entities, std::optional<int64_t> event_time_us,
              std::optional<int64_t> training_dataset_version) {
             const VectorRequest request = {.entities = BatchOf(entities),
                                            .event_time_us = event_time_us,
                                            .training_dataset_version = training_dataset_version};
             const VectorData data =
                 Unlocked([&] { return self->Vectors({name, version}, request); });
             return nb::make_tuple(RowsOf(*data.features), RowsOf(*data.status),
                                   RowsOf(*data.helpers));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none());
}

}  // namespace tercet::python
