#include "neighbors/index_builder.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

namespace tercet {
namespace {

constexpr int kLowPriority = 10;

/// Whether an index of one source is good for the other.
bool IsSame(const IndexSource& a, const IndexSource& b) {
  return a.table == b.table && a.embedding == b.embedding && a.dimension == b.dimension &&
         a.group.ttl_us == b.group.ttl_us && a.group.event_time == b.group.event_time &&
         a.group.schema->Equals(*b.group.schema);
}

std::string Naming(const IndexSource& source) {
  return "embedding '" + source.column + "' of feature group '" + source.group.ref().ToText() + "'";
}

}  // namespace

Result<std::shared_ptr<EmbeddingIndex>> IndexPlace::Get(const IndexSource& source) {
  std::shared_ptr<EmbeddingIndex> here = Here();
  if (here != nullptr && IsSame(here->source(), source)) return here;
  const EmbeddingIndex* const other = here.get();
  here = nullptr;
  return Reload(other, source);
}

Result<std::shared_ptr<EmbeddingIndex>> IndexPlace::Reload(const EmbeddingIndex* old,
                                                           const IndexSource& source) {
  const std::lock_guard loading(loading_);
  {
    const std::lock_guard lock(mutex_);
    // Somebody else did it while this thread waited.
    if (index_ != nullptr && index_.get() != old && IsSame(index_->source(), source)) return index_;
    // Its memory is given back before the new one takes as much, once nobody searches it.
    index_ = nullptr;
  }
  // What was here before is of no use, and so would its file be.
  auto loaded = EmbeddingIndex::Load(source, /*recall=*/old == nullptr);
  if (!loaded.ok()) return Explain(loaded.status(), Naming(source));
  const std::lock_guard lock(mutex_);
  index_ = *loaded;
  return index_;
}

void IndexPlace::Replace(const std::shared_ptr<EmbeddingIndex>& old,
                         std::shared_ptr<EmbeddingIndex> next) {
  const std::lock_guard lock(mutex_);
  if (index_ == old) index_ = std::move(next);
}

std::shared_ptr<EmbeddingIndex> IndexPlace::Here() {
  const std::lock_guard lock(mutex_);
  return index_;
}

IndexBuilder::~IndexBuilder() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void IndexBuilder::Ask(const std::shared_ptr<IndexPlace>& place) {
  const auto index = place->Here();
  if (index == nullptr || !(index->HasWork() || index->IsWorn())) return;
  if (place->listed.test_and_set()) return;
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(place);
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }
  changed_.notify_all();
}

void IndexBuilder::Run() {
  // On Linux a thread has a priority of its own. Without it the thread is only less polite.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowPriority);
  while (true) {
    std::shared_ptr<IndexPlace> place;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closing_ || !asked_.empty(); });
      if (closing_) return;
      place = asked_.front().lock();
      asked_.pop_front();
    }
    if (place == nullptr) continue;
    // Cleared first: who asks from now on is seen to again.
    place->listed.clear();
    Build(place);
  }
}

void IndexBuilder::Keep(IndexPlace& place, const std::shared_ptr<EmbeddingIndex>& index) {
  // Not of a group that was forgotten.
  if (closing_ || place.Here() != index) return;
  Status kept = index->Keep();
  if (kept.ok() && place.Here() != index) {
    // Who forgot it meanwhile may have looked for files before this one was there.
    kept = index->source().files->Remove(index->source().file);
  }
  if (kept.ok()) return;
  LogWarn("writing the graph of " + Naming(index->source()) +
          ", which the next process builds anew: " + kept.ToString());
}

void IndexBuilder::Build(const std::shared_ptr<IndexPlace>& place) {
  const std::shared_ptr<EmbeddingIndex> index = place->Here();
  if (index == nullptr) return;
  const auto closing = [this] { return closing_.load(); };
  if (!index->IsWorn()) {
    const Status worked = index->Work(closing);
    if (!worked.ok()) {
      LogWarn("building the graph of " + Naming(index->source()) +
              ", whose rows are compared one by one meanwhile: " + worked.ToString());
    }
    Keep(*place, index);
    return;
  }
  const Status renewed = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(auto next, EmbeddingIndex::Load(index->source()));
    ARROW_RETURN_NOT_OK(next->Work(closing));
    if (closing_) return Status::OK();
    place->Replace(index, next);
    Keep(*place, next);
    return Status::OK();
  }();
  if (renewed.ok()) return;
  LogWarn("building " + Naming(index->source()) +
          " anew beside the old one: " + renewed.ToString());
  // There is no room for both: the next search reads it again.
  if (renewed.IsCapacityError()) place->Replace(index, nullptr);
}

}  // namespace tercet
