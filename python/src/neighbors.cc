#include "platform/neighbors.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "catalog/embedding.h"
#include "frame.h"
#include "project.h"

namespace tercet::python {

void BindNeighbors(ProjectClass& project) {
  project
      .def(
          "neighbors",
          [](const CoreProject& self, const std::string& name, int64_t version,
             const std::vector<std::vector<double>>& vectors, int64_t k, const std::string& column,
             const std::string& filter, const std::vector<std::string>& columns, bool exact,
             std::optional<int64_t> candidates, bool single) {
            const NeighborsRequest request{.vectors = vectors,
                                           .k = k,
                                           .column = column,
                                           .filter = filter,
                                           .columns = columns,
                                           .exact = exact,
                                           .candidates = candidates};
            int64_t commit = -1;
            const auto rows = Unlocked([&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
              ARROW_ASSIGN_OR_RAISE(const NeighborsAnswer answer,
                                    self->neighbors()->Find({name, version}, request));
              commit = answer.commit;
              if (!single) return answer.rows;
              return answer.rows->RemoveColumn(
                  answer.rows->schema()->GetFieldIndex(std::string(kQueryColumn)));
            });
            return nb::make_tuple(FrameOf(rows), commit);
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none(), nb::arg())
      .def("neighbor_indexes", [](const CoreProject& self) {
        return TextOfAll(Unlocked([&] { return self->neighbors()->Indexes(); }));
      });
}

}  // namespace tercet::python
