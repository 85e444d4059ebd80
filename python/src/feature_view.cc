#include <algorithm>
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

/// A schema as Python fills dicts by it.
struct DictShape {
  std::vector<nb::str> names;
  bool plain = true;  ///< every column has a plain value (HasValueOfCell)
  nb::dict empty;     ///< name → None: a dict that takes its keys over at once has no need to grow
};

/// Made once a schema. Called with the interpreter's lock held; never freed, since the interpreter
/// may be gone by then.
std::shared_ptr<const DictShape> ShapeOf(const std::shared_ptr<arrow::Schema>& schema) {
  constexpr size_t kMaxSchemas = 256;
  static auto* const known =
      new std::map<std::shared_ptr<arrow::Schema>, std::shared_ptr<const DictShape>>();
  const auto found = known->find(schema);
  if (found != known->end()) return found->second;
  if (known->size() >= kMaxSchemas) known->clear();
  auto shape = std::make_shared<DictShape>();
  for (const auto& field : schema->fields()) {
    nb::str name(field->name().data(), field->name().size());
    PyObject* interned = name.release().ptr();
    PyUnicode_InternInPlace(&interned);
    shape->names.push_back(nb::steal<nb::str>(interned));
    shape->plain &= HasValueOfCell(*field->type());
    shape->empty[shape->names.back()] = nb::none();
  }
  return (*known)[schema] = std::move(shape);
}

/// Puts a cell for each column of a schema into a dict.
void FillDict(const arrow::Schema& schema, const DictShape& shape, const std::vector<Cell>& cells,
              nb::handle dict) {
  if (PyDict_Update(dict.ptr(), shape.empty.ptr()) != 0) nb::raise_python_error();
  for (size_t i = 0; i < shape.names.size(); ++i) {
    const nb::object value = ValueOfCell(*schema.field(static_cast<int>(i))->type(), cells[i]);
    if (PyDict_SetItem(dict.ptr(), shape.names[i].ptr(), value.ptr()) != 0) {
      nb::raise_python_error();
    }
  }
}

nb::dict StatusDict(const DictShape& shape, const std::vector<RowStatus>& status) {
  static auto* const texts = [] {
    auto* names = new std::vector<nb::str>();
    for (const RowStatus one : {RowStatus::kPresent, RowStatus::kMissing, RowStatus::kExpired,
                                RowStatus::kUnavailable, RowStatus::kStale}) {
      const std::string_view name = RowStatusName(one);
      names->push_back(nb::str(name.data(), name.size()));
    }
    return names;
  }();
  nb::dict dict;
  for (size_t f = 0; f < status.size(); ++f) {
    dict[shape.names[f]] = (*texts)[static_cast<size_t>(status[f])];
  }
  return dict;
}

/// Fills an empty Vector with one entity's features the short way (Platform::Reader), and sets its
/// `status` where one is not present and its `helpers` where the view has some. False, and nothing
/// is filled, where that way can't be gone.
bool FillVector(const CoreProject& self, const Ref& view, nb::handle vector, nb::handle entity,
                std::optional<int64_t> event_time_us) {
  if (!PyDict_CheckExact(entity.ptr())) return false;
  const ValuesOfRow row(entity);
  const auto reader = Unlocked([&] { return self->Reader(view); });
  if (reader == nullptr) return false;
  const auto features = ShapeOf(reader->features());
  const auto helpers = ShapeOf(reader->helpers());
  if (!features->plain || !helpers->plain) return false;
  thread_local std::vector<Cell> cells;
  thread_local std::vector<uint64_t> numbers;
  thread_local VectorCells found;
  if (!row.Cells(*reader->entities(), &cells, &numbers)) return false;
  const bool read = Unlocked([&] { return reader->Read(cells, event_time_us, &found); });
  if (!read) return false;
  FillDict(*reader->features(), *features, found.features, vector);
  const bool present = std::all_of(found.status.begin(), found.status.end(), [](RowStatus status) {
    return status == RowStatus::kPresent;
  });
  if (!present) nb::setattr(vector, "status", StatusDict(*features, found.status));
  if (!helpers->names.empty()) {
    nb::dict values;
    FillDict(*reader->helpers(), *helpers, found.helpers, values);
    nb::setattr(vector, "helpers", values);
  }
  return true;
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
      .def("fill_vector",
           [](const CoreProject& self, nb::dict vector, const std::string& name, int64_t version,
              nb::object entity, std::optional<int64_t> event_time_us) {
             return FillVector(self, {name, version}, vector, entity, event_time_us);
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
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
