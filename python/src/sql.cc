#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "catalog/definition_json.h"
#include "client/sql_wire.h"
#include "frame.h"
#include "project.h"

namespace tercet::python {

void BindSql(ProjectClass& project) {
  project
      .def("sql",
           [](const CoreProject& self, const std::string& query, std::optional<int64_t> as_of_us,
              const std::map<std::string, int64_t>& versions,
              const std::vector<std::string>& files, std::optional<int64_t> time_limit_us) {
             const SqlRequest request = {.query = query,
                                         .as_of_us = as_of_us,
                                         .versions = versions,
                                         .files = files,
                                         .time_limit_us = time_limit_us};
             struct Answer {
               Frame rows;
               std::map<std::string, int64_t> pins;
             };
             const Answer answer = Unlocked([&]() -> Result<Answer> {
               ARROW_ASSIGN_OR_RAISE(const SqlData data, self->Sql(request));
               ARROW_ASSIGN_OR_RAISE(Frame rows, data.rows->ToTable());
               return Answer{std::move(rows), data.pins};
             });
             return nb::make_tuple(FrameOf(answer.rows), answer.pins);
           },
           nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg().none())
      .def("run_sql_step",
           [](const CoreProject& self, const std::string& text) {
             return ToText(ToJson(Unlocked([&] { return self->RunSqlStep(text); })));
           })
      .def("materialize",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             Unlocked([&] { return self->Materialize({name, version}); });
           });
}

}  // namespace tercet::python
