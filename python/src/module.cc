#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>

#include "base/log.h"
#include "base/parallel.h"
#include "base/time_text.h"
#include "client/client.h"
#include "client/code_version.h"
#include "errors.h"
#include "frame.h"
#include "project.h"

namespace nb = nanobind;
using namespace tercet::python;  // NOLINT: this file is the module

namespace {

CoreProject Open(const std::string& location, const std::string& token, const std::string& python,
                 const std::string& user, int64_t memory_limit_bytes, const std::string& state,
                 const std::map<std::string, std::string>& storage_options,
                 const std::string& online) {
  tercet::PlatformOptions options;
  options.token = token;
  options.python = python;
  options.user = user;
  options.state = state;
  options.storage_options = storage_options;
  options.online = online;
  if (memory_limit_bytes > 0) options.memory_limit_bytes = memory_limit_bytes;
  return {Unlocked([&] { return tercet::OpenProject(location, options); })};
}

}  // namespace

NB_MODULE(_core, module) {
  BindErrors(module);
  BindFrame(module);
  ProjectClass project(module, "Project");
  project
      .def("close",
           [](CoreProject& self) {
             nb::gil_scoped_release released;
             self.platform.reset();
           })
      .def_prop_ro("closed", [](const CoreProject& self) { return self.platform == nullptr; })
      .def_prop_ro("location", [](const CoreProject& self) { return self->location(); });
  BindFeatureGroups(project);
  BindFeatureViews(project);
  BindNeighbors(project);
  BindTrainingDatasets(project);
  BindRuns(project);
  BindDiscovery(project);
  BindModels(project);
  BindDeployments(project);
  BindTrials(project);
  BindSql(project);
  BindVectorAskers(module, project);
  BindPredictors(module, project);
  BindViewExport(module, project);
  module.def("open", &Open);
  module.def("code_version", &tercet::CodeVersion);
  module.def("parse_duration",
             [](const std::string& text) { return Unwrap(tercet::ParseDuration(text)); });
  module.def("format_duration", &tercet::FormatDuration);
  module.def("parse_time", [](const std::string& text) { return Unwrap(tercet::ParseTime(text)); });
  module.def("format_time", &tercet::FormatTime);
  module.def("set_thread_count", [](int threads) { Check(tercet::SetThreadCount(threads)); });
  module.def("set_log_level",
             [](const std::string& level) { Check(tercet::SetLogLevel(level)); });
}
