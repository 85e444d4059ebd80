#include "server/open_inference.h"

#include <algorithm>

#include "base/cell_row.h"
#include "base/name.h"
#include "base/short_text.h"
#include "server/row_answer.h"

namespace tercet {
namespace {

/// The outputs that were asked for, as tensors, in the order of the asking.
Result<std::vector<std::pair<OutputTensor, bool>>> Outputs(const InferenceRequest& request,
                                                           const arrow::RecordBatch& batch) {
  std::vector<std::pair<OutputTensor, bool>> outputs;
  const auto add = [&](int column, bool binary) -> Status {
    ARROW_ASSIGN_OR_RAISE(OutputTensor tensor,
                          TensorOf(batch.schema()->field(column)->name(), batch.column(column)));
    outputs.emplace_back(std::move(tensor), binary);
    return Status::OK();
  };
  for (const InferenceRequest::Wish& wish : request.outputs) {
    const int column = batch.schema()->GetFieldIndex(wish.name);
    if (column < 0) {
      const std::string wished = ShortText(wish.name);
      return Status::Invalid("there is no output '", wished, "'",
                              Suggest(wished, batch.schema()->field_names()));
    }
    ARROW_RETURN_NOT_OK(add(column, wish.binary));
  }
  if (request.outputs.empty()) {
    for (int column = 0; column < batch.num_columns(); ++column) {
      ARROW_RETURN_NOT_OK(add(column, request.binary_output));
    }
  }
  return outputs;
}

}  // namespace

const std::vector<std::string>& OpenInference::Extensions() {
  static const auto* names = new std::vector<std::string>{
      "binary_tensor_data", "model_configuration", "model_repository", "statistics"};
  return *names;
}

bool OpenInference::IsUnloaded(const std::string& name) const {
  if (!any_unloaded_.load(std::memory_order_acquire)) return false;
  const std::lock_guard lock(mutex_);
  return unloaded_.contains(name);
}

Status OpenInference::CheckModel(const std::string& name, std::string_view version,
                                 const Known& known) const {
  if (IsUnloaded(name)) {
    return Status::KeyError("model '", name, "' was unloaded; load it again to ask it");
  }
  if (version.empty() || version == std::to_string(known.contract.release_number)) {
    return Status::OK();
  }
  return Status::KeyError("deployment '", name, "' serves version ", known.contract.release_number,
                          ", not ", ShortText(version, 40));
}

Result<OpenInference::KnownPointer> OpenInference::Model(const std::string& name,
                                                         std::string_view version) {
  ARROW_ASSIGN_OR_RAISE(auto known, contracts_->Refresh(name));
  ARROW_RETURN_NOT_OK(CheckModel(name, version, *known));
  return known;
}

Result<OpenInference::Answer> OpenInference::Infer(const std::string& name,
                                                   std::string_view version,
                                                   const InferenceRequest& request,
                                                   const std::string& request_id) {
  const auto infer = [&](const Known& known) -> Result<Answer> {
    ARROW_RETURN_NOT_OK(CheckModel(name, version, known));
    const auto answer_of = [&](const auto& predicted,
                               const arrow::RecordBatch& outputs) -> Result<Answer> {
      Answer answer{.release_id = std::string(predicted.release_id),
                    .release_number = predicted.release_number,
                    .missing = predicted.missing};
      ARROW_ASSIGN_OR_RAISE(answer.outputs, Outputs(request, outputs));
      return answer;
    };
    ARROW_ASSIGN_OR_RAISE(
        const RowAnswer rows,
        AnswerRows(platform_, name, request.event_time_us, request_id,
                   [&](const arrow::Schema& needed, size_t most, auto* cells, auto* numbers) {
                     return CellsOf(request, needed, *known.columns, most, cells, numbers);
                   }));
    if (rows) {
      ARROW_ASSIGN_OR_RAISE(const auto outputs,
                            BatchOfCells(rows.schema(), rows.prediction->outputs));
      return answer_of(*rows.prediction, *outputs);
    }
    ARROW_ASSIGN_OR_RAISE(const auto entities,
                          EntitiesOf(request, "deployment '" + name + "'",
                                     *known.contract.entities, *known.columns));
    ARROW_ASSIGN_OR_RAISE(
        const PredictData data,
        platform_->Predict(name, entities, {request.event_time_us, request_id}));
    return answer_of(data, *data.outputs);
  };
  Result<Answer> answer = WithContract(contracts_, name, infer);
  // Triton's clients look for these words, as they do when a model is loaded.
  if (answer.status().IsKeyError() && contracts_->Find(name) == nullptr) {
    return Explain(answer.status(), "Request for unknown model");
  }
  return answer;
}

Result<std::vector<OpenInference::IndexEntry>> OpenInference::Index(bool ready_only) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform_->ListDeployments());
  std::vector<IndexEntry> index;
  for (const Deployment& deployment : deployments) {
    const bool unloaded = IsUnloaded(deployment.name);
    if (unloaded && ready_only) continue;
    index.push_back({.name = deployment.name,
                     .version = std::to_string(deployment.number()),
                     .state = unloaded ? "UNAVAILABLE" : "READY",
                     .reason = unloaded ? "unloaded" : ""});
  }
  return index;
}

Status OpenInference::Load(const std::string& name, const std::vector<std::string>& parameters) {
  for (const std::string& parameter : parameters) {
    if (parameter == "config" || parameter.starts_with("file:")) {
      return Status::NotImplemented("failed to load '", name, "' with the parameter '",
                                    ShortText(parameter),
                                    "': what is served is a registered model; register another "
                                    "and upgrade the deployment to it");
    }
  }
  // Reading its contract loads its release.
  const Status loaded = contracts_->Refresh(name).status();
  if (!loaded.ok()) return Explain(loaded, "failed to load '" + name + "'");
  const std::lock_guard lock(mutex_);
  unloaded_.erase(name);
  any_unloaded_.store(!unloaded_.empty(), std::memory_order_release);
  return Status::OK();
}

Status OpenInference::Unload(const std::string& name) {
  ARROW_RETURN_NOT_OK(platform_->GetDeployment(name).status());
  const std::lock_guard lock(mutex_);
  unloaded_.insert(name);
  any_unloaded_.store(true, std::memory_order_release);
  return Status::OK();
}

Result<std::vector<std::pair<std::string, ServingStatistics>>> OpenInference::Statistics(
    const std::string& name) {
  std::vector<std::pair<std::string, ServingStatistics>> statistics;
  std::vector<std::string> names = {name};
  if (name.empty()) {
    names.clear();
    ARROW_ASSIGN_OR_RAISE(const auto deployments, platform_->ListDeployments());
    for (const Deployment& deployment : deployments) names.push_back(deployment.name);
  }
  for (const std::string& one : names) {
    ARROW_ASSIGN_OR_RAISE(auto read, platform_->GetServingStatistics(one));
    // What is served has statistics before it is first asked: perf_analyzer reads them then.
    ARROW_ASSIGN_OR_RAISE(const Deployment deployment, platform_->GetDeployment(one));
    const bool asked =
        std::any_of(read.releases.begin(), read.releases.end(), [&](const auto& release) {
          return release.number == deployment.number();
        });
    if (!asked) read.releases.push_back({.number = deployment.number()});
    statistics.emplace_back(one, std::move(read));
  }
  return statistics;
}

std::vector<TensorDescription> DescribeTensors(const arrow::Schema& schema) {
  std::vector<TensorDescription> tensors;
  for (const auto& field : schema.fields()) {
    const bool list = arrow::is_list_like(field->type()->id());
    tensors.push_back({field->name(), DatatypeOf(*field->type()), {-1, list ? -1 : 1}});
    if (field->type()->id() == arrow::Type::FIXED_SIZE_LIST) {
      tensors.back().shape[1] =
          static_cast<const arrow::FixedSizeListType&>(*field->type()).list_size();
    }
  }
  return tensors;
}

std::string ConfigType(std::string_view datatype) {
  return datatype == "BYTES" ? "TYPE_STRING" : "TYPE_" + std::string(datatype);
}

}  // namespace tercet
