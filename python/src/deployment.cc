#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "client/wire.h"
#include "frame.h"
#include "platform/prediction_logs.h"
#include "platform/schedule_manifest.h"
#include "project.h"

namespace tercet::python {

void BindDeployments(ProjectClass& project) {
  project
      .def("deploy",
           [](const CoreProject& self, const std::string& name, const std::string& model,
              int64_t version) {
             return TextOf(Unlocked([&] { return self->Deploy(name, {model, version}); }));
           })
      .def("upgrade",
           [](const CoreProject& self, const std::string& name, const std::string& model,
              int64_t version) {
             return TextOf(Unlocked([&] { return self->Upgrade(name, {model, version}); }));
           })
      .def("rollback",
           [](const CoreProject& self, const std::string& name) {
             return TextOf(Unlocked([&] { return self->Rollback(name); }));
           })
      .def("downgrade",
           [](const CoreProject& self, const std::string& name, int64_t number) {
             return TextOf(Unlocked([&] { return self->Downgrade(name, number); }));
           })
      .def("preflight",
           [](const CoreProject& self, const std::string& model, int64_t version) {
             return TextOfAll(Unlocked([&] { return self->Preflight({model, version}); }));
           })
      .def("change_serving_policy",
           [](const CoreProject& self, const std::string& name, const std::string& changes) {
             return TextOf(Unlocked([&]() -> Result<Deployment> {
               ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(changes));
               return self->ChangeServingPolicy(name, object);
             }));
           })
      .def("set_traffic",
           [](const CoreProject& self, const std::string& name, const std::string& traffic) {
             return TextOf(Unlocked([&]() -> Result<Deployment> {
               ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(traffic));
               ARROW_ASSIGN_OR_RAISE(const auto read, TrafficRequestFromJson(object));
               return self->SetTraffic(name, read);
             }));
           })
      .def("diff_releases",
           [](const CoreProject& self, const std::string& name, int64_t before, int64_t after) {
             return ToText(Unlocked([&] { return self->DiffReleases(name, before, after); }));
           })
      .def("serving_statistics",
           [](const CoreProject& self, const std::string& name) {
             return TextOf(Unlocked([&] { return self->GetServingStatistics(name); }));
           })
      .def("deployment",
           [](const CoreProject& self, const std::string& name) {
             return TextOf(Unlocked([&] { return self->GetDeployment(name); }));
           })
      .def("deployments",
           [](const CoreProject& self) {
             return TextOfAll(Unlocked([&] { return self->ListDeployments(); }));
           })
      .def("drop_deployment",
           [](const CoreProject& self, const std::string& name) {
             Unlocked([&] { return self->DropDeployment(name); });
           })
      .def("release",
           [](const CoreProject& self, const std::string& id) {
             return TextOf(Unlocked([&] { return self->GetRelease(id); }));
           })
      // {"entities", "optional", "outputs"} as lists of {"name", "type"}.
      .def("contract",
           [](const CoreProject& self, const std::string& name) {
             const DeploymentContract contract =
                 Unlocked([&] { return self->Contract(name); });
             const json::object object = {{"entities", SchemaToJson(*contract.entities)},
                                          {"optional", SchemaToJson(*contract.optional)},
                                          {"outputs", SchemaToJson(*contract.outputs)},
                                          {"release_id", contract.release_id},
                                          {"release_number", contract.release_number},
                                         {"python_features",
                                          ToJsonArray(contract.python_features)}};
             return ToText(object);
           })
      // (outputs, missing, release id, release number, request id); outputs a frame, or rows for
      // rows.
      .def("predict",
           [](const CoreProject& self, const std::string& name, nb::object entities,
              std::optional<int64_t> event_time_us, bool as_rows, const std::string& request_id) {
             const auto batch = BatchOf(entities);
             const PredictData data = Unlocked([&] {
               return self->Predict(name, batch, PredictRequest{event_time_us, request_id});
             });
             nb::object outputs = as_rows ? nb::object(RowsOf(*data.outputs))
                                          : nb::cast(FrameOf(data.outputs));
             return nb::make_tuple(outputs, data.missing, data.release_id, data.release_number,
                                   data.request_id);
           },
           nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg())
      .def("deployment_manifest",
           [](const CoreProject& self, const std::string& name) {
             const Deployment deployment = Unlocked([&] { return self->GetDeployment(name); });
             return ToText(Unwrap(DeploymentManifest(deployment)));
           })
      .def("flush_log",
           [](const CoreProject& self, const std::string& name) {
             Unlocked([&] { return self->prediction_logs()->Flush(name); });
           })
      .def("verify",
           [](const CoreProject& self, const std::string& name,
              std::optional<int64_t> start_us, std::optional<int64_t> end_us, int64_t limit) {
             const VerifyRequest request{.start_us = start_us, .end_us = end_us, .limit = limit};
             return TextOf(
                 Unlocked([&] { return self->prediction_logs()->Verify(name, request); }));
           },
           nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg());
}

}  // namespace tercet::python
