#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>

#include "errors.h"
#include "platform/platform.h"

namespace tercet::python {

/// A project as Python holds it. Definitions cross as JSON text, frames through capsules.
struct CoreProject {
  std::shared_ptr<Platform> platform;
  /// Throws once the project was closed.
  Platform* operator->() const {
    if (platform == nullptr) throw StatusError{Status::Invalid("this project has been closed")};
    return platform.get();
  }
};

using ProjectClass = nb::class_<CoreProject>;

/// One file a noun adds its verbs.
void BindFeatureGroups(ProjectClass& project);
void BindFeatureViews(ProjectClass& project);
void BindTrainingDatasets(ProjectClass& project);
void BindNeighbors(ProjectClass& project);
void BindRuns(ProjectClass& project);
void BindDiscovery(ProjectClass& project);
void BindModels(ProjectClass& project);
void BindDeployments(ProjectClass& project);
void BindTrials(ProjectClass& project);
void BindSql(ProjectClass& project);
/// Views as another engine runs them.
void BindViewExport(nb::module_& module, ProjectClass& project);
/// Asking a view for single vectors.
void BindVectorAskers(nb::module_& module, ProjectClass& project);
/// Asking a deployment for single rows.
void BindPredictors(nb::module_& module, ProjectClass& project);

template <typename Noun>
std::string TextOf(const Noun& noun) {
  return ToText(noun.ToJson());
}

template <typename Noun>
std::string TextOfAll(const std::vector<Noun>& nouns) {
  json::array array;
  for (const Noun& noun : nouns) array.push_back(noun.ToJson());
  return ToText(array);
}

template <typename Noun>
Noun NounOf(const std::string& text) {
  return Unwrap(Noun::FromJson(Unwrap(ParseJsonObject(text))));
}

/// A Python callable (or None) as Progress; it is called with the interpreter's lock held.
inline Progress ProgressOf(nb::object callable) {
  if (callable.is_none()) return {};
  // Shared, so that the last copy may go away on any thread only under the lock.
  auto kept = std::shared_ptr<nb::object>(new nb::object(callable), [](nb::object* object) {
    nb::gil_scoped_acquire acquired;
    delete object;
  });
  return [kept](double fraction) {
    nb::gil_scoped_acquire acquired;
    try {
      (*kept)(fraction);
    } catch (nb::python_error& error) {
      KeepInterrupt(error, "tercet progress");
    }
  };
}

}  // namespace tercet::python
