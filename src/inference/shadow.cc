#include "inference/shadow.h"

#include <arrow/compare.h>

namespace tercet {

ShadowRunner::~ShadowRunner() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  offered_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ShadowRunner::Offer(Question question) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() == kQueued) return question.book->ShadowDropped(question.number);
    queue_.push_back(std::move(question));
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  offered_.notify_one();
}

void ShadowRunner::Run() {
  while (true) {
    Question question;
    {
      std::unique_lock lock(mutex_);
      offered_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      question = std::move(queue_.front());
      queue_.pop_front();
    }
    const auto outputs = answer_(question);
    // A shadow that fails has another answer than the one that was given.
    const bool same =
        outputs.ok() && (*outputs)->Equals(*question.given, /*check_metadata=*/false,
                                           arrow::EqualOptions::Defaults().nans_equal(true));
    question.book->Shadowed(question.number, !same);
  }
}

}  // namespace tercet
