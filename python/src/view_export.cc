#include "platform/view_export.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "frame.h"
#include "project.h"

namespace tercet::python {
namespace {

/// What comes after a view's joins, in a process of another engine.
struct CoreViewProgram {
  std::shared_ptr<const ViewProgram> program;
};

}  // namespace

void BindViewExport(nb::module_& module, ProjectClass& project) {
  nb::class_<CoreViewProgram>(module, "ViewProgram")
      .def("__init__",
           [](CoreViewProgram* self, const std::string& text) {
             new (self) CoreViewProgram{Unlocked([&] { return LoadViewProgram(text); })};
           })
      .def("run", [](const CoreViewProgram& self, nb::object joined) {
        const std::shared_ptr<arrow::RecordBatch> batch = BatchOf(joined);
        return FrameOf(Unlocked([&] { return RunViewProgram(*self.program, *batch); }));
      });
  // `spine`: anything with columns, of which only these count; None for the root's rows.
  project.def("export_view",
              [](const CoreProject& self, const std::string& name, int64_t version,
                 nb::object spine, std::optional<int64_t> training_dataset_version) {
                const Frame columns = TableOf(spine);
                const ViewExportRequest request = {
                    .spine = columns == nullptr ? nullptr : columns->schema(),
                    .training_dataset_version = training_dataset_version};
                return ToText(
                    Unlocked([&] { return self->ExportView({name, version}, request); }));
              },
              nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none());
}

}  // namespace tercet::python
