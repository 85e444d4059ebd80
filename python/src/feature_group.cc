#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "frame.h"
#include "platform/training_files.h"
#include "project.h"

namespace tercet::python {
namespace {

ReadRequest RequestOf(const std::vector<std::string>& columns, std::optional<int64_t> version,
                      std::optional<int64_t> as_of_us, std::optional<int64_t> start_us,
                      std::optional<int64_t> end_us) {
  return {.columns = columns,
          .version = version,
          .as_of_us = as_of_us,
          .start_us = start_us,
          .end_us = end_us};
}

/// What is to be written to a group. Rows of plain Python values take the types of its columns, if
/// it has any yet.
RecordBatchReader RowsFor(const CoreProject& project, const Ref& group, nb::handle data) {
  if (!AreRows(data)) return ReaderOf(data);
  const auto taker = Unlocked([&] { return project->GetFeatureGroup(group); }).schema;
  return ReaderOf(data, taker.get());
}

}  // namespace

void BindFeatureGroups(ProjectClass& project) {
  project
      .def("define_feature_group",
           [](const CoreProject& self, const std::string& definition) {
             const auto wanted = NounOf<FeatureGroupDefinition>(definition);
             return TextOf(Unlocked([&] { return self->DefineFeatureGroup(wanted); }));
           })
      .def("feature_group",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             return TextOf(Unlocked([&] { return self->GetFeatureGroup({name, version}); }));
           })
      .def("feature_groups",
           [](const CoreProject& self) {
             return TextOfAll(Unlocked([&] { return self->ListFeatureGroups(); }));
           })
      .def("drop_feature_group",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             Unlocked([&] { return self->DropFeatureGroup({name, version}); });
           })
      .def("describe_feature_group",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             return ToText(Unlocked([&] { return self->DescribeFeatureGroup({name, version}); }));
           })
      .def("insert",
           [](const CoreProject& self, const std::string& name, int64_t version, nb::object rows,
              const std::string& mode, const std::string& idempotency_key, bool wait_online) {
             const RecordBatchReader reader = RowsFor(self, {name, version}, rows);
             const InsertRequest request = {.mode = Unwrap(InsertModeFromName(mode)),
                                            .idempotency_key = idempotency_key,
                                            .wait_online = wait_online};
             return TextOf(
                 Unlocked([&] { return self->Insert({name, version}, reader, request); }));
           })
      .def("delete",
           [](const CoreProject& self, const std::string& name, int64_t version, nb::object keys,
              bool wait_online) {
             const RecordBatchReader reader = RowsFor(self, {name, version}, keys);
             return TextOf(
                 Unlocked([&] { return self->Delete({name, version}, reader, wait_online); }));
           })
      .def("read",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::vector<std::string>& columns, std::optional<int64_t> commit,
              std::optional<int64_t> as_of_us, std::optional<int64_t> start_us,
              std::optional<int64_t> end_us) {
             return FrameOf(Unlocked([&]() -> Result<Frame> {
               ARROW_ASSIGN_OR_RAISE(
                   const RecordBatchReader reader,
                   self->Read({name, version},
                              RequestOf(columns, commit, as_of_us, start_us, end_us)));
               return reader->ToTable();
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
           nb::arg().none())
      .def("export",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::vector<std::string>& columns, std::optional<int64_t> commit,
              std::optional<int64_t> as_of_us, std::optional<int64_t> start_us,
              std::optional<int64_t> end_us, const std::string& path, const std::string& format) {
             Unlocked([&]() -> Status {
               ARROW_ASSIGN_OR_RAISE(
                   const RecordBatchReader reader,
                   self->Read({name, version},
                              RequestOf(columns, commit, as_of_us, start_us, end_us)));
               return SaveRows(reader, path, format);
             });
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
           nb::arg().none(), nb::arg(), nb::arg())
      .def("commits",
           [](const CoreProject& self, const std::string& name, int64_t version) {
             return TextOfAll(Unlocked([&] { return self->Commits({name, version}); }));
           })
      .def("changes",
           [](const CoreProject& self, const std::string& name, int64_t version, int64_t since,
              int64_t until) {
             return FrameOf(Unlocked([&]() -> Result<Frame> {
               ARROW_ASSIGN_OR_RAISE(const RecordBatchReader reader,
                                     self->Changes({name, version}, since, until));
               return reader->ToTable();
             }));
           })
      .def("statistics",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::vector<std::string>& columns, std::optional<int64_t> commit,
              std::optional<int64_t> as_of_us, std::optional<int64_t> start_us,
              std::optional<int64_t> end_us) {
             return ToText(Unlocked([&] {
               return self->Statistics({name, version},
                                       RequestOf(columns, commit, as_of_us, start_us, end_us));
             }));
           },
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
           nb::arg().none())
      .def("alter_feature_group",
           [](const CoreProject& self, const std::string& name, int64_t version,
              const std::string& change) {
             const auto wanted = NounOf<FeatureGroupChange>(change);
             return TextOf(
                 Unlocked([&] { return self->AlterFeatureGroup({name, version}, wanted); }));
           })
      .def("vacuum",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> retention_us, bool dry_run) {
             return TextOf(Unlocked([&] {
               return self->Vacuum({name, version},
                                   {.retention_us = retention_us, .dry_run = dry_run});
             }));
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg())
      .def("erase",
           [](const CoreProject& self, const std::string& name, int64_t version, nb::object keys) {
             const RecordBatchReader reader = ReaderOf(keys);
             std::optional<Ref> group;
             if (!name.empty()) group = Ref{name, version};
             return TextOf(Unlocked([&] { return self->Erase(group, reader); }));
           })
      .def("compact", [](const CoreProject& self, const std::string& name, int64_t version) {
        return TextOf(Unlocked([&] { return self->Compact({name, version}); }));
      })
      .def("rebuild_online",
           [](const CoreProject& self, const std::string& name, int64_t version,
              std::optional<int64_t> commit) {
             return Unlocked([&] { return self->RebuildOnline({name, version}, commit); });
           },
           nb::arg(), nb::arg(), nb::arg().none());
}

}  // namespace tercet::python
