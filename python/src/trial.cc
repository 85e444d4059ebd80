#include "platform/trials.h"

#include <nanobind/stl/string.h>

#include "client/wire.h"
#include "project.h"

namespace tercet::python {

void BindTrials(ProjectClass& project) {
  project
      .def("start_canary",
           [](const CoreProject& self, const std::string& name, const std::string& model,
              int64_t version, const std::string& plan) {
             return TextOf(Unlocked([&]() -> Result<Deployment> {
               ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(plan));
               ARROW_ASSIGN_OR_RAISE(const auto read, CanaryPlan::FromJson(object));
               return self->trials()->StartCanary(name, {model, version}, read);
             }));
           })
      .def("canary",
           [](const CoreProject& self, const std::string& name) {
             return TextOf(Unlocked([&] { return self->trials()->GetCanary(name); }));
           })
      .def("end_canary",
           [](const CoreProject& self, const std::string& name, bool promote) {
             return TextOf(Unlocked([&] { return self->trials()->EndCanary(name, promote); }));
           })
      .def("start_experiment",
           [](const CoreProject& self, const std::string& name, const std::string& traffic,
              const std::string& plan) {
             return TextOf(Unlocked([&]() -> Result<Deployment> {
               ARROW_ASSIGN_OR_RAISE(const json::object arms, ParseJsonObject(traffic));
               ARROW_ASSIGN_OR_RAISE(const auto request, TrafficRequestFromJson(arms));
               ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(plan));
               ARROW_ASSIGN_OR_RAISE(const auto read, ExperimentPlan::FromJson(object));
               return self->trials()->StartExperiment(name, request, read);
             }));
           })
      .def("experiment",
           [](const CoreProject& self, const std::string& name) {
             return ToText(Unlocked([&] { return self->trials()->GetExperiment(name); }));
           })
      .def("stop_experiment",
           [](const CoreProject& self, const std::string& name) {
             return ToText(Unlocked([&] { return self->trials()->StopExperiment(name); }));
           })
      // `outcomes`: a JSON list of {"request_id", "value", "release_number"}.
      .def("record_outcomes",
           [](const CoreProject& self, const std::string& name, const std::string& outcomes) {
             return Unlocked([&]() -> Result<int64_t> {
               ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(outcomes));
               ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(object, "outcomes"));
               std::vector<Outcome> read;
               for (const json::value& item : items) {
                 ARROW_ASSIGN_OR_RAISE(read.emplace_back(), Outcome::FromJson(item.as_object()));
               }
               return self->trials()->RecordOutcomes(name, read);
             });
           });
}

}  // namespace tercet::python
