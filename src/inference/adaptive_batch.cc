#include "inference/adaptive_batch.h"

#include <algorithm>

#include "base/overload.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;

}  // namespace

AdaptiveBatch::AdaptiveBatch(std::shared_ptr<const LoadedRelease> loaded, int64_t number,
                             const BatchLimits& limits, std::shared_ptr<DeploymentBook> book)
    : AdaptiveBatch(
          [loaded = std::move(loaded)](const arrow::RecordBatch& inputs,
                                       const std::optional<TimePoint>& deadline) {
            return loaded->PredictWithRaw(inputs, deadline);
          },
          [book = std::move(book), number](int64_t requests, int64_t rows, int64_t wait_ns) {
            book->Batched(number, requests, rows, wait_ns);
          },
          limits) {}

Result<AdaptiveBatch::Batch> AdaptiveBatch::Predict(const Batch& inputs,
                                                    const std::optional<TimePoint>& deadline) {
  auto request = std::make_shared<Request>();
  request->inputs = inputs;
  request->deadline = deadline;
  request->begun = SteadyClock::now();
  std::unique_lock lock(mutex_);
  std::shared_ptr<Group> group = gathering_;
  const bool joins = group != nullptr &&
                     group->rows + inputs->num_rows() <= limits_.rows &&
                     group->requests[0]->inputs->schema()->Equals(*inputs->schema());
  if (joins) {
    group->requests.push_back(request);
    group->rows += inputs->num_rows();
    group->full = group->rows >= limits_.rows;
    if (group->full) {
      gathering_.reset();
      group->changed.notify_all();
    }
    const auto answered = [&] { return group->done; };
    if (!deadline) {
      group->changed.wait(lock, answered);
    } else if (!group->changed.wait_until(lock, *deadline, answered)) {
      return TooLate("its deadline passed while it waited with others for the model");
    }
    return request->answer;
  }

  // The first of a group: it waits for the model's turn, then asks for all.
  group = std::make_shared<Group>();
  group->requests.push_back(request);
  group->rows = inputs->num_rows();
  group->full = group->rows >= limits_.rows;
  if (running_ >= limits_.calls && !group->full && gathering_ == nullptr) {
    gathering_ = group;
    TimePoint until = request->begun + std::chrono::microseconds(limits_.wait_us);
    if (deadline) until = std::min(until, *deadline);
    group->changed.wait_until(lock, until, [&] {
      return group->full || running_ < limits_.calls;
    });
    if (gathering_ == group) gathering_.reset();
  }
  ++running_;
  lock.unlock();
  Ask(group.get());
  lock.lock();
  --running_;
  group->done = true;
  group->changed.notify_all();
  if (gathering_ != nullptr && running_ < limits_.calls) gathering_->changed.notify_all();
  return request->answer;
}

void AdaptiveBatch::Ask(Group* group) {
  // Nobody joins any more: the group is no longer the one that gathers.
  auto& requests = group->requests;
  const TimePoint now = SteadyClock::now();
  int64_t wait_ns = 0;
  // As late as the last one may be answered; those before have stopped waiting by then.
  std::optional<TimePoint> deadline = requests[0]->deadline;
  std::vector<Batch> inputs;
  for (const auto& request : requests) {
    wait_ns +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(now - request->begun).count();
    deadline = deadline && request->deadline
                   ? std::optional(std::max(*deadline, *request->deadline))
                   : std::nullopt;
    inputs.push_back(request->inputs);
  }
  count_(static_cast<int64_t>(requests.size()), group->rows, wait_ns);
  if (requests.size() == 1) {
    requests[0]->answer = call_(*inputs[0], deadline);
    return;
  }
  const auto together = [&]() -> Result<Batch> {
    ARROW_ASSIGN_OR_RAISE(const Batch rows, arrow::ConcatenateRecordBatches(inputs));
    return call_(*rows, deadline);
  }();
  int64_t first = 0;
  for (const auto& request : requests) {
    if (together.ok()) {
      request->answer = (*together)->Slice(first, request->inputs->num_rows());
    } else if (IsTooLate(together.status())) {
      request->answer = together.status();
    } else {
      request->answer = call_(*request->inputs, request->deadline);
    }
    first += request->inputs->num_rows();
  }
}

}  // namespace tercet
