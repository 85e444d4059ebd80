#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "frame.h"
#include "platform/batch_predictions.h"
#include "project.h"

namespace tercet::python {
namespace {

ModelFiles FilesOf(nb::dict files) {
  ModelFiles contents;
  for (const auto& [path, bytes] : files) {
    const nb::bytes held = nb::cast<nb::bytes>(bytes);
    contents[nb::cast<std::string>(path)] = std::string(held.c_str(), held.size());
  }
  return contents;
}

}  // namespace

void BindModels(ProjectClass& project) {
  project
      .def("register_model",
           [](const CoreProject& self, const std::string& definition, nb::dict files) {
             const auto wanted = NounOf<ModelDefinition>(definition);
             const ModelFiles contents = FilesOf(files);
             return TextOf(Unlocked([&] { return self->RegisterModel(wanted, contents); }));
           })
      .def("model",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             return TextOf(Unlocked([&] { return self->GetModel({name, version}); }));
           })
      .def("models",
           [](const CoreProject& self) {
             return TextOfAll(Unlocked([&] { return self->ListModels(); }));
           })
      .def("model_files",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             const ModelFiles files =
                 Unlocked([&] { return self->ReadModelFiles({name, version}); });
             nb::dict contents;
             for (const auto& [path, bytes] : files) {
               contents[path.c_str()] = nb::bytes(bytes.data(), bytes.size());
             }
             return contents;
           })
      .def("drop_model",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             Unlocked([&] { return self->DropModel({name, version}); });
           })
      .def("batch",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> start_us, std::optional<int64_t> end_us, nb::object spine,
              nb::object progress) {
             const Frame rows = TableOf(spine);
             const Progress told = ProgressOf(progress);
             return FrameOf(Unlocked(
                 [&] { return self->Batch({name, version}, start_us, end_us, rows, told); }));
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
           nb::arg().none())
      // (rows, bytes) of the file.
      .def("batch_to_file",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> start_us, std::optional<int64_t> end_us, nb::object spine,
              const std::string& path, const std::string& format, const std::string& compression,
              nb::object progress) {
             const BatchRequest request{{name, version}, start_us, end_us, TableOf(spine)};
             const Progress told = ProgressOf(progress);
             const BatchWritten written = Unlocked([&] {
               return self->batch_predictions()->ToFile(request, {path, format, compression},
                                                        told);
             });
             return nb::make_tuple(written.rows, written.bytes);
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg().none())
      .def("batch_to_group",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> start_us, std::optional<int64_t> end_us, nb::object spine,
              const std::string& group, int64_t group_version, const std::string& mode,
              const std::string& idempotency_key, bool wait_online, nb::object progress) {
             const BatchRequest request{{name, version}, start_us, end_us, TableOf(spine)};
             const InsertRequest insert{Unwrap(InsertModeFromName(mode)), idempotency_key,
                                        wait_online};
             const Progress told = ProgressOf(progress);
             return TextOf(Unlocked([&] {
               return self->batch_predictions()->ToGroup(request, {group, group_version}, insert,
                                                         told);
             }));
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("start_batch_to_group",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> start_us, std::optional<int64_t> end_us,
              const std::string& group, int64_t group_version, const std::string& mode,
              const std::string& idempotency_key, bool wait_online) {
             const BatchRequest request{{name, version}, start_us, end_us, nullptr};
             const InsertRequest insert{Unwrap(InsertModeFromName(mode)), idempotency_key,
                                        wait_online};
             return TextOf(Unlocked([&] {
               return self->batch_predictions()->StartToGroup(request, {group, group_version},
                                                              insert);
             }));
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg());
}

}  // namespace tercet::python
