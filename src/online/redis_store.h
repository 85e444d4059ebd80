#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "online/change_buffer.h"
#include "online/group_state.h"
#include "online/online_store.h"
#include "online/redis_link.h"
#include "online/row_cache.h"

namespace tercet {

/// OnlineStore in a Redis or a Redis Cluster, for many serving processes: the project's owner
/// writes, any process reads. Values are RocksStore's, byte for byte (key_rows.h).
///
///     PREFIX:groups               hash: "weather@1" → serial, newline, the group's state as JSON
///     PREFIX:next_id              the next group id
///     PREFIX:{ID.GENERATION}:rows    hash: key → its rows; "" → serial, applied version, writes
///     PREFIX:{ID.GENERATION}:refill  hash: key to refill → its key columns
///
/// A group's rows are one hash, so that one HMGET reads them and the version that they are of at
/// one moment, one HSET writes a batch and its version at once, and a generation goes by one
/// UNLINK. In a Cluster groups spread over the nodes by the braces. A read of several groups counts
/// only when no group's count of writes changed meanwhile; where all are on one node that costs no
/// second round trip. A serial beyond the one that a reader knows tells it to read the groups'
/// states again: a column was added, or the group was loaded anew.
///
/// Where the address says so (`stale=seconds`), a reader keeps copies of the rows that it has read.
/// While Redis is away or not ready, it answers from them with RowStatus::kStale, up to so long
/// after Redis last answered; what it has not read, or had then no visible row, is kUnavailable.
/// Copies are not of one moment.
///
/// No key ever expires: a TTL is a rule of the reader's (a view may have a longer one than its
/// group). A Redis that may evict such keys is refused. As durable as the Redis is: what it lost is
/// applied again from the offline table.
class RedisStore : public OnlineStore {
 public:
  /// IOError when it can't be reached; Invalid when it may evict keys.
  /// `copies_bytes`: of copies, at most.
  static Result<std::unique_ptr<OnlineStore>> Open(const RedisAddress& address, std::string prefix,
                                                   const Clock* clock,
                                                   size_t copies_bytes = size_t{1} << 30);
  /// The same for a project, whose prefix a file in the online store's directory keeps.
  static Result<std::unique_ptr<OnlineStore>> OpenFor(const std::string& directory,
                                                      const std::string& url, const Clock* clock,
                                                      size_t copies_bytes = size_t{1} << 30);

  Status Define(const FeatureGroupDefinition& definition) override;
  std::vector<Ref> Groups() override;
  Result<int64_t> AppliedVersion(const Ref& group) override;
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Apply(
      const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& changes,
      int64_t version) override;
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> PendingRefills(
      const Ref& group) override;
  Status Refill(const Ref& group, const std::shared_ptr<arrow::RecordBatch>& keys,
                const std::shared_ptr<arrow::RecordBatchReader>& rows) override;
  Status Load(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
              int64_t version) override;
  Status Drop(const Ref& group) override;
  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override;

  struct Group {
    int64_t serial = 0;
    std::shared_ptr<const GroupState> state;
  };
  using GroupMap = std::map<Ref, Group>;
  /// The groups by what PREFIX:groups has. IOError when it can't be read.
  static Result<GroupMap> GroupsOf(const RedisReply& reply);

  /// What the rows are of, in their field "".
  struct Version {
    int64_t serial = 0;
    int64_t applied = -1;
    int64_t writes = 0;
    std::string ToText() const;
    static std::optional<Version> Parse(std::string_view text);
    bool operator==(const Version&) const = default;
  };

 private:
  /// Fields of a group's rows to set; an empty value takes the field out.
  struct Fields {
    std::deque<std::string> texts;  ///< field, value, field, value, …
    size_t bytes = 0;

    void Add(std::string field, std::string value) {
      bytes += field.size() + value.size();
      texts.push_back(std::move(field));
      texts.push_back(std::move(value));
    }
    void Clear() {
      texts.clear();
      bytes = 0;
    }
  };

  RedisStore(std::unique_ptr<RedisLink> link, std::string prefix, const Clock* clock)
      : link_(std::move(link)), prefix_(std::move(prefix)), clock_(clock), heard_us_(0) {}

  std::string RowsKey(const GroupState& state) const;
  std::string RefillKey(const GroupState& state) const;
  Status CheckEviction();
  Status ReadGroups();
  Result<Group> Find(const Ref& group);
  std::mutex& WriterOf(const Ref& group);

  /// The version of a group's rows; nullopt when there are none.
  Result<std::optional<Version>> VersionOf(const GroupState& state);
  Status WriteGroup(const Ref& group, const Group& changed);
  Status WriteChanges(const GroupState& state, const ChangeBuffer& buffer, Version* version);
  /// Sets fields of the rows and their version at once, then takes out those without a value.
  Status WriteFields(const GroupState& state, const Fields& fields, Version* version);
  Status Retire(const GroupState& state);

  struct Asked;
  /// `known`: of the states that are known here, without asking whether there are newer ones.
  Result<Asked> Prepare(const RowsRequest& request, bool known);
  /// Read of Redis itself; `away` is set when it fails since Redis does not answer, or not yet.
  Result<std::vector<RowsAnswer>> ReadRedis(const std::vector<RowsRequest>& requests, bool* away);
  /// One try of that. nullopt when a group changed meanwhile.
  Result<std::optional<std::vector<RowsAnswer>>> TryRead(const std::vector<RowsRequest>& requests,
                                                         bool* away);
  /// What a reply has of one request's rows; nullopt when the group's state is no longer known.
  Result<std::optional<RowsAnswer>> AnswerOf(const RowsRequest& request, const Asked& asked,
                                             const RedisReply& reply);
  /// Read of the copies.
  Result<std::vector<RowsAnswer>> ReadCopies(const std::vector<RowsRequest>& requests);
  Result<RowsAnswer> CopyOf(const RowsRequest& request);

  const std::unique_ptr<RedisLink> link_;
  const std::string prefix_;
  const Clock* const clock_;
  int64_t stale_us_ = 0;
  std::unique_ptr<RowCache> copies_;  ///< by rows' key and field; null: none are kept
  std::atomic<int64_t> heard_us_;     ///< when Redis last answered
  std::atomic<bool> stale_{false};    ///< copies were given out since
  Published<GroupMap> groups_;
  std::mutex reading_mutex_;           // held while the states are read and published
  std::mutex mutex_;                   // of what follows
  std::map<Ref, std::mutex> writers_;  // one a group, never removed
};

}  // namespace tercet
