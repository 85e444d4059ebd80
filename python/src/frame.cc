#include "frame.h"

#include <algorithm>

#include <arrow/c/bridge.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "errors.h"
#include "rows.h"

namespace tercet::python {
namespace {

constexpr char kStreamCapsule[] = "arrow_array_stream";
constexpr char kSchemaCapsule[] = "arrow_schema";
constexpr char kArrayCapsule[] = "arrow_array";

template <typename T>
T* PointerOf(nb::handle capsule, const char* name) {
  auto* pointer = static_cast<T*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (pointer == nullptr) throw nb::python_error();
  return pointer;
}

template <typename T>
void ReleaseCapsule(PyObject* capsule) {
  auto* pointer = static_cast<T*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
  if (pointer->release != nullptr) pointer->release(pointer);
  delete pointer;
}

template <typename T>
nb::object Capsule(std::unique_ptr<T> pointer, const char* name) {
  PyObject* capsule = PyCapsule_New(pointer.get(), name, &ReleaseCapsule<T>);
  if (capsule == nullptr) throw nb::python_error();
  pointer.release();  // the capsule owns it now
  return nb::steal(capsule);
}

nb::object StreamCapsule(const CoreFrame& frame, nb::handle /*requested_schema*/) {
  // A requested schema is a wish that the protocol lets a producer ignore.
  auto stream = std::make_unique<ArrowArrayStream>();
  auto reader = std::make_shared<arrow::TableBatchReader>(frame.table);
  Check(arrow::ExportRecordBatchReader(std::move(reader), stream.get()));
  return Capsule(std::move(stream), kStreamCapsule);
}

nb::object SchemaCapsule(const CoreFrame& frame) {
  auto schema = std::make_unique<ArrowSchema>();
  Check(arrow::ExportSchema(*frame.table->schema(), schema.get()));
  return Capsule(std::move(schema), kSchemaCapsule);
}

}  // namespace

bool AreRows(nb::handle data) {
  return nb::isinstance<nb::dict>(data) || nb::isinstance<nb::list>(data);
}

RecordBatchReader ReaderOf(nb::handle data, const arrow::Schema* taker) {
  if (AreRows(data)) return Unwrap(arrow::RecordBatchReader::Make({BatchOfRows(data, taker)}));
  if (nb::isinstance<CoreFrame>(data)) {
    return std::make_shared<arrow::TableBatchReader>(nb::cast<CoreFrame&>(data).table);
  }
  if (nb::hasattr(data, "__arrow_c_stream__")) {
    nb::object capsule = data.attr("__arrow_c_stream__")();
    return Unwrap(arrow::ImportRecordBatchReader(
        PointerOf<ArrowArrayStream>(capsule, kStreamCapsule)));
  }
  return Unwrap(arrow::RecordBatchReader::Make({BatchOf(data)}));
}

Frame TableOf(nb::handle data) {
  if (data.is_none()) return nullptr;
  if (nb::isinstance<CoreFrame>(data)) return nb::cast<CoreFrame&>(data).table;
  const RecordBatchReader reader = ReaderOf(data);
  return Unlocked([&] { return reader->ToTable(); });
}

std::shared_ptr<arrow::RecordBatch> BatchOf(nb::handle data) {
  if (AreRows(data)) return BatchOfRows(data);
  if (nb::hasattr(data, "__arrow_c_array__")) {
    nb::tuple capsules = nb::cast<nb::tuple>(data.attr("__arrow_c_array__")());
    return Unwrap(arrow::ImportRecordBatch(PointerOf<ArrowArray>(capsules[1], kArrayCapsule),
                                           PointerOf<ArrowSchema>(capsules[0], kSchemaCapsule)));
  }
  if (!nb::isinstance<CoreFrame>(data) && !nb::hasattr(data, "__arrow_c_stream__")) {
    const std::string type = nb::cast<std::string>(data.type().attr("__name__"));
    throw StatusError{Status::TypeError("expected a DataFrame (pandas, Polars, pyarrow, or any "
                                        "object with __arrow_c_stream__), a dict or a list of "
                                        "dicts, not ",
                                        type)};
  }
  const Frame table = TableOf(data);
  return Unwrap(table->CombineChunksToBatch());
}

CoreFrame FrameOf(std::shared_ptr<arrow::Table> table) { return {std::move(table)}; }

CoreFrame FrameOf(const std::shared_ptr<arrow::RecordBatch>& batch) {
  return {Unwrap(arrow::Table::FromRecordBatches(batch->schema(), {batch}))};
}

void BindFrame(nb::module_& module) {
  module.def("frame", [](nb::handle data) { return FrameOf(TableOf(data)); });
  nb::class_<CoreFrame>(module, "Frame")
      .def("__arrow_c_stream__", &StreamCapsule, nb::arg("requested_schema") = nb::none())
      .def("__arrow_c_schema__", &SchemaCapsule)
      .def_prop_ro("num_rows", [](const CoreFrame& frame) { return frame.table->num_rows(); })
      .def_prop_ro("columns", [](const CoreFrame& frame) { return frame.table->ColumnNames(); })
      .def_prop_ro("types",
                   [](const CoreFrame& frame) {
                     std::vector<std::string> types;
                     for (const auto& field : frame.table->fields()) {
                       types.push_back(field->type()->ToString());
                     }
                     return types;
                   })
      .def("rows",
           [](const CoreFrame& frame, int64_t offset, int64_t count) {
             // A table without columns does not know that it has no more rows.
             const int64_t rest = std::max<int64_t>(frame.table->num_rows() - offset, 0);
             const auto slice = frame.table->Slice(offset, std::min(count, rest));
             return RowsOf(*Unwrap(slice->CombineChunksToBatch()));
           },
           nb::arg("offset") = 0, nb::arg("count") = INT64_MAX);
}

}  // namespace tercet::python
