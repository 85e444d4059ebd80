#include "platform/view_export.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "frame.h"
#include "project.h"

namespace tercet::python {
namespace {

/// What comes after a view's joins, in a process of another engine.
struct CoreViewProgram {
  std::shared_ptr<const ViewProgram> program;
};

/// A step of a program over a batch.
template <auto kStep>
CoreFrame RunStep(const CoreViewProgram& self, nb::object rows) {
  const std::shared_ptr<arrow::RecordBatch> batch = BatchOf(rows);
  return FrameOf(Unlocked([&] { return kStep(*self.program, *batch); }));
}

/// `split`: as JSON; `pins`: {group: commit}; `messages`: a stream.
EngineRowsRequest RequestOf(const std::string& split, int64_t seed,
                            std::optional<int64_t> start_us, std::optional<int64_t> end_us,
                            bool known_at, const nb::dict& pins, nb::handle messages) {
  EngineRowsRequest request{.training = {.split = NounOf<SplitDefinition>(split),
                                         .seed = seed,
                                         .start_us = start_us,
                                         .end_us = end_us,
                                         .spine = nullptr,
                                         .known_at = known_at},
                            .pins = {},
                            .messages = ReaderOf(messages)};
  for (const auto& [group, version] : pins) {
    request.pins[nb::cast<std::string>(group)] = nb::cast<int64_t>(version);
  }
  return request;
}

/// (definition as JSON, {"programs", "output"} as JSON, the places of the rows).
nb::tuple TupleOf(const EngineDataset& dataset) {
  return nb::make_tuple(TextOf(dataset.definition), ToText(dataset.how), FrameOf(dataset.places));
}

}  // namespace

void BindViewExport(nb::module_& module, ProjectClass& project) {
  nb::class_<CoreViewProgram>(module, "ViewProgram")
      .def("__init__",
           [](CoreViewProgram* self, const std::string& text, const std::string& python) {
             new (self) CoreViewProgram{Unlocked([&] { return LoadViewProgram(text, python); })};
           })
      .def("run", &RunStep<&RunViewProgram>)
      .def("rows", &RunStep<&ViewProgramRows>)
      .def("finish", &RunStep<&FinishViewRows>);
  module.def("source_rows",
             [](const std::string& table, const std::vector<std::string>& columns) {
               return FrameOf(Unlocked([&] { return ReadSourceRows(table, columns); }));
             });
  // `spine`: anything with columns, of which only these count; None for the root's rows.
  project
      .def("view_recipe",
           [](const CoreProject& self, const std::string& name, int64_t version, nb::object spine,
              std::optional<int64_t> training_dataset_version, bool known_at) {
             const Frame columns = TableOf(spine);
             const ViewExportRequest request = {
                 .spine = columns == nullptr ? nullptr : columns->schema(),
                 .training_dataset_version = training_dataset_version,
                 .known_at = known_at};
             return ToText(Unlocked(
                 [&] { return self->view_exports()->Recipe({name, version}, request); }));
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg())
      .def("dataset_of_rows",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::string& split, int64_t seed, std::optional<int64_t> start_us,
              std::optional<int64_t> end_us, bool known_at, const nb::dict& pins,
              nb::object messages, nb::object progress) {
             const EngineRowsRequest rows =
                 RequestOf(split, seed, start_us, end_us, known_at, pins, messages);
             const Progress told = ProgressOf(progress);
             return TupleOf(Unlocked([&] {
               return self->view_exports()->CreateDataset({name, version}, rows, told);
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(),
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("fold_of_rows",
           [](const CoreProject& self, const std::string& name, int64_t version,
              int64_t dataset_version, int64_t fold, const nb::dict& pins, nb::object messages,
              nb::object progress) {
             const EngineRowsRequest rows = RequestOf("{\"method\": \"none\"}", 0, {}, {}, false,
                                                      pins, messages);
             const Progress told = ProgressOf(progress);
             return TupleOf(Unlocked([&] {
               return self->view_exports()->Fold({name, version}, dataset_version, fold, rows,
                                                 told);
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
}

}  // namespace tercet::python
