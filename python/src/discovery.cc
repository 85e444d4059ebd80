#include "platform/discovery.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "project.h"

namespace tercet::python {

void BindDiscovery(ProjectClass& project) {
  project
      .def("lineage",
           [](const CoreProject& self, const std::string& object, const std::string& direction,
              std::optional<int64_t> depth, bool columns) {
             const LineageRequest request{.object = object,
                                          .direction = Unwrap(LineageDirectionFromName(direction)),
                                          .depth = depth,
                                          .columns = columns};
             return TextOf(Unlocked([&] { return self->discovery()->Lineage(request); }));
           },
           nb::arg("object"), nb::arg("direction"), nb::arg("depth").none(), nb::arg("columns"))
      .def("impact",
           [](const CoreProject& self, const std::string& object) {
             return TextOf(Unlocked([&] { return self->discovery()->ImpactOf(object); }));
           })
      .def("search",
           [](const CoreProject& self, const std::string& query, int64_t limit) {
             return TextOfAll(Unlocked([&] { return self->discovery()->Search(query, limit); }));
           })
      .def("annotation",
           [](const CoreProject& self, const std::string& object) {
             return TextOf(Unlocked([&] { return self->discovery()->GetAnnotation(object); }));
           })
      .def("annotate",
           [](const CoreProject& self, const std::string& object, const std::string& change) {
             const AnnotationChange wanted = NounOf<AnnotationChange>(change);
             return TextOf(Unlocked([&] { return self->discovery()->Annotate(object, wanted); }));
           })
      .def_static("lineage_text", [](const std::string& graph, const std::string& format) {
        return Unwrap(NounOf<LineageGraph>(graph).ToText(format));
      });
}

}  // namespace tercet::python
