#include <map>
#include <string>
#include <vector>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "frame.h"
#include "project.h"
#include "rows.h"

namespace tercet::python {
namespace {

/// The names of a view's features as Python strings, made once a schema. Called with the
/// interpreter's lock held; never freed, since the interpreter may be gone by then.
const std::vector<nb::str>& NamesOf(const std::shared_ptr<arrow::Schema>& schema) {
  constexpr size_t kMaxSchemas = 256;
  static auto* const known =
      new std::map<std::shared_ptr<arrow::Schema>, std::vector<nb::str>>();
  const auto found = known->find(schema);
  if (found != known->end()) return found->second;
  if (known->size() >= kMaxSchemas) known->clear();
  std::vector<nb::str>& names = (*known)[schema];
  for (const auto& field : schema->fields()) {
    names.push_back(nb::str(field->name().data(), field->name().size()));
  }
  return names;
}

/// ([features], [status], [helpers]) of one entity the short way (Platform::Reader), or None.
nb::object PlainRow(const CoreProject& self, const Ref& view, nb::handle entity,
                    std::optional<int64_t> event_time_us) {
  if (!PyDict_CheckExact(entity.ptr())) return nb::none();
  const ValuesOfRow row(entity);
  const auto reader = Unlocked([&] { return self->Reader(view); });
  if (reader == nullptr) return nb::none();
  const arrow::Schema& features = *reader->features();
  for (const auto& schema : {reader->features(), reader->helpers()}) {
    for (const auto& field : schema->fields()) {
      if (!HasValueOfCell(*field->type())) return nb::none();
    }
  }
  std::vector<Cell> cells;
  std::vector<uint64_t> numbers;
  if (!row.Cells(*reader->entities(), &cells, &numbers)) return nb::none();
  thread_local VectorCells vector;
  const bool read = Unlocked([&] { return reader->Read(cells, event_time_us, &vector); });
  if (!read) return nb::none();
  static auto* const statuses = [] {
    auto* names = new std::vector<nb::str>();
    for (const RowStatus status : {RowStatus::kPresent, RowStatus::kMissing, RowStatus::kExpired,
                                   RowStatus::kUnavailable}) {
      const std::string_view name = RowStatusName(status);
      names->push_back(nb::str(name.data(), name.size()));
    }
    return names;
  }();
  const std::vector<nb::str>& names = NamesOf(reader->features());
  nb::dict values, status, helpers;
  for (size_t f = 0; f < names.size(); ++f) {
    values[names[f]] =
        ValueOfCell(*features.field(static_cast<int>(f))->type(), vector.features[f]);
    status[names[f]] = (*statuses)[static_cast<size_t>(vector.status[f])];
  }
  const std::vector<nb::str>& helper_names = NamesOf(reader->helpers());
  for (size_t h = 0; h < helper_names.size(); ++h) {
    helpers[helper_names[h]] =
        ValueOfCell(*reader->helpers()->field(static_cast<int>(h))->type(), vector.helpers[h]);
  }
  const auto list_of = [](const nb::dict& one) {
    nb::list list;
    list.append(one);
    return list;
  };
  return nb::make_tuple(list_of(values), list_of(status), list_of(helpers));
}

}  // namespace

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
             if (!training_dataset_version) {
               nb::object plain = PlainRow(self, {name, version}, entities, event_time_us);
               if (!plain.is_none()) return nb::borrow<nb::tuple>(plain);
             }
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
