#include <nanobind/stl/string.h>

#include "project.h"

namespace tercet::python {

void BindRuns(ProjectClass& project) {
  project
      .def("start_run",
           [](const CoreProject& self, const std::string& run) {
             const Run wanted = NounOf<Run>(run);
             return TextOf(Unlocked([&] { return self->StartRun(wanted); }));
           })
      .def("log_run",
           [](const CoreProject& self, const std::string& id, const std::string& additions) {
             const Run added = NounOf<Run>(additions);
             return TextOf(Unlocked([&] { return self->LogRun(id, added); }));
           })
      .def("get_run",
           [](const CoreProject& self, const std::string& id) {
             return TextOf(Unlocked([&] { return self->GetRun(id); }));
           })
      .def("runs",
           [](const CoreProject& self) {
             return TextOfAll(Unlocked([&] { return self->ListRuns(); }));
           })
      .def("drop_run", [](const CoreProject& self, const std::string& id) {
        Unlocked([&] { return self->DropRun(id); });
      });
}

}  // namespace tercet::python
