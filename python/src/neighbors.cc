#include "platform/neighbors.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "catalog/embedding.h"
#include "frame.h"
#include "project.h"

namespace tercet::python {

namespace {

/// Without the column of the vectors' numbers, where there was but one.
Result<std::shared_ptr<arrow::RecordBatch>> WithoutQuery(
    const std::shared_ptr<arrow::RecordBatch>& rows, bool single) {
  if (!single) return rows;
  return rows->RemoveColumn(rows->schema()->GetFieldIndex(std::string(kQueryColumn)));
}

}  // namespace

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
              return WithoutQuery(answer.rows, single);
            });
            return nb::make_tuple(FrameOf(rows), commit);
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none(), nb::arg())
      // (distances, entities, features, status, helpers) as frames, and the commit.
      .def(
          "vector_neighbors",
          [](const CoreProject& self, const std::string& name, int64_t version,
             const std::vector<std::vector<double>>& vectors, int64_t k, const std::string& column,
             const std::string& filter, bool exact, std::optional<int64_t> candidates,
             nb::object entities, std::optional<int64_t> training_dataset_version, bool single) {
            VectorNeighborsRequest request{.search = {.vectors = vectors,
                                                      .k = k,
                                                      .column = column,
                                                      .filter = filter,
                                                      .columns = {},
                                                      .exact = exact,
                                                      .candidates = candidates},
                                           .entities = nullptr,
                                           .training_dataset_version = training_dataset_version};
            if (!entities.is_none()) request.entities = BatchOf(entities);
            std::shared_ptr<arrow::RecordBatch> near;
            const auto answer = Unlocked([&]() -> Result<VectorNeighborsAnswer> {
              ARROW_ASSIGN_OR_RAISE(auto found,
                                    self->neighbors()->FindVectors({name, version}, request));
              ARROW_ASSIGN_OR_RAISE(near, WithoutQuery(found.near, single));
              return found;
            });
            return nb::make_tuple(FrameOf(near), FrameOf(answer.entities),
                                  FrameOf(answer.vectors.features), FrameOf(answer.vectors.status),
                                  FrameOf(answer.vectors.helpers), answer.commit);
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg())
      .def("neighbor_indexes", [](const CoreProject& self) {
        return TextOfAll(Unlocked([&] { return self->neighbors()->Indexes(); }));
      });
}

}  // namespace tercet::python
