#include "online/redis_store.h"

#include <charconv>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {

std::string RedisStore::Version::ToText() const {
  return std::to_string(serial) + " " + std::to_string(applied) + " " + std::to_string(writes);
}

std::optional<RedisStore::Version> RedisStore::Version::Parse(std::string_view text) {
  Version version;
  const char* at = text.data();
  const char* end = at + text.size();
  for (int64_t* number : {&version.serial, &version.applied, &version.writes}) {
    while (at != end && *at == ' ') ++at;
    const auto [rest, error] = std::from_chars(at, end, *number);
    if (error != std::errc()) return std::nullopt;
    at = rest;
  }
  return version;
}

Result<std::unique_ptr<OnlineStore>> RedisStore::Open(const RedisAddress& address,
                                                      std::string prefix, const Clock* clock,
                                                      size_t copies_bytes) {
  ARROW_ASSIGN_OR_RAISE(auto link, RedisLink::Connect(address));
  std::unique_ptr<RedisStore> store(new RedisStore(std::move(link), std::move(prefix), clock));
  ARROW_RETURN_NOT_OK(store->CheckEviction());
  ARROW_RETURN_NOT_OK(store->ReadGroups());
  if (address.stale_seconds > 0 && copies_bytes > 0) {
    store->stale_us_ = address.stale_seconds * int64_t{1'000'000};
    store->copies_ = std::make_unique<RowCache>(copies_bytes);
    store->heard_us_ = clock->NowMicros();
  }
  return store;
}

Result<std::unique_ptr<OnlineStore>> RedisStore::OpenFor(const std::string& directory,
                                                         const std::string& url,
                                                         const Clock* clock,
                                                         size_t copies_bytes) {
  ARROW_ASSIGN_OR_RAISE(const RedisAddress address, RedisAddress::Parse(url));
  const auto files = LocalFileSystem();
  ARROW_RETURN_NOT_OK(files->MakeDirectory(directory));
  const std::string path = JoinPath(directory, "redis_prefix");
  // Not the project's name: two of one name may share a Redis.
  const Status put = files->PutIfAbsent(path, "tercet:" + NewUuid());
  if (!put.ok() && !put.IsAlreadyExists()) return put;
  ARROW_ASSIGN_OR_RAISE(std::string prefix, files->ReadFile(path));
  return Open(address, std::move(prefix), clock, copies_bytes);
}

Status RedisStore::CheckEviction() {
  ARROW_ASSIGN_OR_RAISE(const auto replies,
                        link_->RunOnEach({"CONFIG", "GET", "maxmemory-policy"}));
  for (const RedisReply& reply : replies) {
    // A hosted Redis, or a user with few rights, may not be told.
    if (reply.list.size() != 2 || !reply.list[1].text.starts_with("allkeys")) continue;
    return Status::Invalid("the Redis of the online store may evict any key (maxmemory-policy ",
                           reply.list[1].text, "), and an evicted row would look like one that is ",
                           "missing; set it to noeviction");
  }
  return Status::OK();
}

std::string RedisStore::RowsKey(const GroupState& state) const {
  return prefix_ + ":{" + std::to_string(state.id) + "." + std::to_string(state.generation) +
         "}:rows";
}

std::string RedisStore::RefillKey(const GroupState& state) const {
  return prefix_ + ":{" + std::to_string(state.id) + "." + std::to_string(state.generation) +
         "}:refill";
}

Status RedisStore::ReadGroups() {
  // One at a time, so that what is published never gets older.
  const std::lock_guard lock(reading_mutex_);
  const std::string key = prefix_ + ":groups";
  ARROW_ASSIGN_OR_RAISE(const RedisReply reply, link_->Run(RedisCommand{"HGETALL", key}));
  ARROW_ASSIGN_OR_RAISE(GroupMap groups, GroupsOf(reply));
  groups_.store(std::make_shared<GroupMap>(std::move(groups)));
  return Status::OK();
}

Result<RedisStore::GroupMap> RedisStore::GroupsOf(const RedisReply& reply) {
  GroupMap groups;
  for (size_t i = 0; i + 1 < reply.list.size(); i += 2) {
    const std::string& text = reply.list[i + 1].text;
    const size_t line = text.find('\n');
    int64_t serial = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), serial);
    if (line == std::string::npos || read.ec != std::errc()) {
      return Status::IOError("online store: the state of group '", reply.list[i].text,
                             "' in Redis can't be read");
    }
    ARROW_ASSIGN_OR_RAISE(GroupState state,
                          GroupState::FromBytes(std::string_view(text).substr(line + 1)));
    const Ref ref = state.definition.ref();
    groups[ref] = {serial, std::make_shared<GroupState>(std::move(state))};
  }
  return groups;
}

Result<RedisStore::Group> RedisStore::Find(const Ref& group) {
  // Once as known, and once as it is.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (attempt == 1) ARROW_RETURN_NOT_OK(ReadGroups());
    const auto groups = groups_.load();
    const auto found = groups->find(group);
    if (found != groups->end()) return found->second;
  }
  return Status::KeyError("feature group '", group.ToText(),
                          "' is not in the online store: it was not declared online, or nothing "
                          "was inserted yet");
}

std::mutex& RedisStore::WriterOf(const Ref& group) {
  std::lock_guard lock(mutex_);
  return writers_[group];
}

std::vector<Ref> RedisStore::Groups() {
  std::vector<Ref> groups;
  const auto known = groups_.load();
  for (const auto& [group, state] : *known) groups.push_back(group);
  return groups;
}

Result<std::optional<RedisStore::Version>> RedisStore::VersionOf(const GroupState& state) {
  const std::string key = RowsKey(state);
  ARROW_ASSIGN_OR_RAISE(const RedisReply reply, link_->Run(RedisCommand{"HGET", key, ""}));
  if (reply.kind != RedisReply::Kind::kText) return std::nullopt;
  return Version::Parse(reply.text);
}

Result<int64_t> RedisStore::AppliedVersion(const Ref& group) {
  // As it is now: a Redis may have been emptied, or come back as it was earlier.
  ARROW_RETURN_NOT_OK(ReadGroups());
  const auto groups = groups_.load();
  const auto found = groups->find(group);
  if (found == groups->end()) return -1;
  ARROW_ASSIGN_OR_RAISE(const auto version, VersionOf(*found->second.state));
  return version ? version->applied : -1;
}

Status RedisStore::WriteGroup(const Ref& group, const Group& changed) {
  const std::string key = prefix_ + ":groups", name = group.ToText();
  const std::string value = std::to_string(changed.serial) + "\n" + changed.state->ToBytes();
  ARROW_RETURN_NOT_OK(link_->Run(RedisCommand{"HSET", key, name, value}).status());
  return ReadGroups();
}

Status RedisStore::Define(const FeatureGroupDefinition& definition) {
  const Ref group = definition.ref();
  std::lock_guard writer(WriterOf(group));
  ARROW_RETURN_NOT_OK(ReadGroups());
  const auto groups = groups_.load();
  if (const auto known = groups->find(group); known != groups->end()) {
    const GroupState& state = *known->second.state;
    if (definition.schema == nullptr || state.definition.ToJson() == definition.ToJson()) {
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(GroupState changed, state.WithDefinition(definition));
    const Group next{known->second.serial + 1, std::make_shared<GroupState>(std::move(changed))};
    ARROW_RETURN_NOT_OK(WriteGroup(group, next));
    // From here on readers read the states again.
    ARROW_ASSIGN_OR_RAISE(auto version, VersionOf(state));
    if (!version) return Status::OK();
    version->serial = next.serial;
    return WriteFields(*next.state, Fields(), &*version);
  }
  const std::string counter = prefix_ + ":next_id";
  ARROW_ASSIGN_OR_RAISE(const RedisReply id, link_->Run(RedisCommand{"INCR", counter}));
  ARROW_ASSIGN_OR_RAISE(GroupState state,
                        GroupState::Make(static_cast<uint32_t>(id.number), definition));
  return WriteGroup(group, {1, std::make_shared<GroupState>(std::move(state))});
}

Status RedisStore::Retire(const GroupState& state) {
  if (state.generation == 0) return Status::OK();
  const std::string rows = RowsKey(state), refill = RefillKey(state);
  // A reader that holds on to these rows finds no version, and reads the states again.
  ARROW_RETURN_NOT_OK(link_->Run(RedisCommand{"UNLINK", rows}).status());
  return link_->Run(RedisCommand{"UNLINK", refill}).status();
}

Status RedisStore::Drop(const Ref& group) {
  std::lock_guard writer(WriterOf(group));
  ARROW_RETURN_NOT_OK(ReadGroups());
  const auto groups = groups_.load();
  const auto found = groups->find(group);
  if (found == groups->end()) return Status::OK();
  const std::string key = prefix_ + ":groups", name = group.ToText();
  ARROW_RETURN_NOT_OK(link_->Run(RedisCommand{"HDEL", key, name}).status());
  ARROW_RETURN_NOT_OK(ReadGroups());
  return Retire(*found->second.state);
}

}  // namespace tercet
