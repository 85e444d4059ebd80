#include "online/owner_lock.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

namespace tercet {
namespace {

Status Failed(std::string_view what, const std::string& path) {
  return Status::IOError(what, " '", path, "': ", std::strerror(errno));
}

/// The descriptors of all locks, which a forked child must not keep: a lock is held as long as any
/// process has its descriptor.
struct HeldLocks {
  std::mutex mutex;
  std::set<int> descriptors;  // guarded by mutex
  bool ever_held = false;     // guarded by mutex
  std::atomic<int> forks{0};
  std::atomic<bool> inherited{false};

  static HeldLocks& Get() {
    static HeldLocks* held = [] {
      auto* made = new HeldLocks;
      ::pthread_atfork([] { Get().mutex.lock(); }, [] { Get().mutex.unlock(); },
                       [] { Get().AfterFork(); });
      return made;
    }();
    return *held;
  }

  void AfterFork() {
    for (const int descriptor : descriptors) ::close(descriptor);
    descriptors.clear();
    if (ever_held) inherited.store(true);
    forks.fetch_add(1);
    mutex.unlock();
  }
};

}  // namespace

int OwnerLock::forks() { return HeldLocks::Get().forks.load(std::memory_order_relaxed); }

bool OwnerLock::inherited() { return HeldLocks::Get().inherited.load(); }

OwnerLock::OwnerLock(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

OwnerLock::~OwnerLock() {
  HeldLocks& held = HeldLocks::Get();
  std::lock_guard lock(held.mutex);
  if (held.descriptors.erase(descriptor_) > 0) ::close(descriptor_);
}

Result<std::unique_ptr<OwnerLock>> OwnerLock::TryTake(const std::string& path) {
  HeldLocks& held = HeldLocks::Get();
  std::lock_guard lock(held.mutex);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return Failed("opening the online store's lock", path);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    const Status failed = Failed("locking the online store's lock", path);
    ::close(descriptor);
    if (taken) return nullptr;
    return failed;
  }
  held.descriptors.insert(descriptor);
  held.ever_held = true;
  return std::unique_ptr<OwnerLock>(new OwnerLock(path, descriptor));
}

Status OwnerLock::NameSocket(const std::string& socket) {
  const std::string text = ToText(json::object{{"socket", socket}, {"pid", ::getpid()}}) + "\n";
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return Failed("writing the online store's lock", path_);
  }
  return Status::OK();
}

Result<std::optional<std::string>> OwnerLock::ReadSocket(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return std::nullopt;
    return Failed("opening the online store's lock", path);
  }
  char text[512];
  const ssize_t size = ::pread(descriptor, text, sizeof(text), 0);
  const Status failed = Failed("reading the online store's lock", path);
  ::close(descriptor);
  if (size < 0) return failed;
  // A new owner may be writing it right now: then there is no name yet.
  const Result<json::object> object = ParseJsonObject(std::string_view(text, size));
  if (!object.ok()) return std::nullopt;
  return FindString(*object, "socket");
}

}  // namespace tercet
