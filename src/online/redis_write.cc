#include <map>
#include <optional>

#include "compute/sort_key.h"
#include "online/group_rows.h"
#include "online/redis_store.h"

namespace tercet {
namespace {

constexpr int64_t kSliceRows = 4096;           // of changes that are buffered at once
constexpr size_t kLoadBytes = size_t{4} << 20;  // of rows in one command of a load

}  // namespace

Status RedisStore::WriteFields(const GroupState& state, const Fields& fields, Version* version) {
  ++version->writes;
  const std::string key = RowsKey(state), text = version->ToText();
  RedisCommand set = {"HSET", key, "", text};
  set.insert(set.end(), fields.texts.begin(), fields.texts.end());
  ARROW_RETURN_NOT_OK(link_->Run(set).status());
  // To readers an empty value is none, so that these may go later.
  RedisCommand remove = {"HDEL", key};
  for (size_t i = 0; i < fields.texts.size(); i += 2) {
    if (fields.texts[i + 1].empty()) remove.push_back(fields.texts[i]);
  }
  return remove.size() == 2 ? Status::OK() : link_->Run(remove).status();
}

Status RedisStore::WriteChanges(const GroupState& state, const ChangeBuffer& buffer,
                                Version* version) {
  const std::string key = RowsKey(state), refill_key = RefillKey(state);
  RedisCommand get = {"HMGET", key, ""};
  for (const auto& [field, changes] : buffer.changes()) get.push_back(field);
  ARROW_ASSIGN_OR_RAISE(const RedisReply before, link_->Run(get));
  if (before.list.size() != buffer.changes().size() + 1) {
    return Status::IOError("online store: Redis answered ", before.list.size(), " values of ",
                           buffer.changes().size() + 1);
  }
  const int64_t now_us = clock_->NowMicros();
  Fields fields;
  RedisCommand refill = {"HSET", refill_key};
  size_t next = 1;
  for (const auto& [field, changes] : buffer.changes()) {
    const std::string& old = before.list[next++].text;
    KeyRows rows;
    if (!old.empty()) {
      ARROW_ASSIGN_OR_RAISE(rows, KeyRows::Parse(old));
    }
    const std::string* key_columns = ChangeRows(state, changes, now_us, &rows);
    std::string value;
    if (!rows.empty()) rows.AppendTo(&value);
    if (value == old) continue;
    if (key_columns != nullptr && !rows.empty() && rows.NeedsRefill(now_us)) {
      refill.push_back(field);
      refill.push_back(*key_columns);
    }
    fields.Add(field, std::move(value));
  }
  // First, so that a crash in between forgets none; to refill a key that needs it not is harmless.
  if (refill.size() > 2) ARROW_RETURN_NOT_OK(link_->Run(refill).status());
  return WriteFields(state, fields, version);
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RedisStore::Apply(
    const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& changes, int64_t version) {
  {
    std::lock_guard writer(WriterOf(group));
    ARROW_ASSIGN_OR_RAISE(Group known, Find(group));
    ARROW_ASSIGN_OR_RAISE(const auto stored, VersionOf(*known.state));
    Version now = stored.value_or(Version{.serial = known.serial});
    if (version > now.applied) {
      const bool first = known.state->generation == 0;
      if (first) {
        GroupState next = *known.state;
        next.generation = 1;
        known = {known.serial + 1, std::make_shared<GroupState>(std::move(next))};
        now.serial = known.serial;
        // What a load that was interrupted may have left.
        ARROW_RETURN_NOT_OK(Retire(*known.state));
      } else if (!stored) {
        return Status::IOError("online store: the rows of feature group '", group.ToText(),
                               "' are gone from Redis; rebuild them (tercet rebuild-online)");
      }
      ChangeBuffer buffer(known.state);
      std::shared_ptr<arrow::RecordBatch> rows;
      while (true) {
        ARROW_RETURN_NOT_OK(changes->ReadNext(&rows));
        if (rows == nullptr) break;
        for (int64_t begin = 0; begin < rows->num_rows(); begin += kSliceRows) {
          ARROW_RETURN_NOT_OK(buffer.Add(rows->Slice(begin, kSliceRows)));
          if (!buffer.full()) continue;
          ARROW_RETURN_NOT_OK(WriteChanges(*known.state, buffer, &now));
          buffer.Clear();
        }
      }
      buffer.Finish();
      now.applied = version;
      ARROW_RETURN_NOT_OK(WriteChanges(*known.state, buffer, &now));
      if (first) ARROW_RETURN_NOT_OK(WriteGroup(group, known));
    }
  }
  return PendingRefills(group);
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RedisStore::PendingRefills(
    const Ref& group) {
  ARROW_ASSIGN_OR_RAISE(const Group known, Find(group));
  const std::string key = RefillKey(*known.state);
  ARROW_ASSIGN_OR_RAISE(const RedisReply reply, link_->Run(RedisCommand{"HVALS", key}));
  std::vector<std::string> key_columns;
  for (const RedisReply& value : reply.list) key_columns.push_back(value.text);
  return RefillBatches(*known.state, key_columns);
}

Status RedisStore::Refill(const Ref& group, const std::shared_ptr<arrow::RecordBatch>& keys,
                          const std::shared_ptr<arrow::RecordBatchReader>& rows) {
  std::lock_guard writer(WriterOf(group));
  ARROW_ASSIGN_OR_RAISE(const Group known, Find(group));
  ARROW_ASSIGN_OR_RAISE(auto version, VersionOf(*known.state));
  if (!version) {
    return Status::IOError("online store: feature group '", group.ToText(),
                           "' has no rows in Redis");
  }
  ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(keys->columns()));
  std::map<std::string, std::string> values;
  for (int64_t i = 0; i < keys->num_rows(); ++i) {
    if (sort_keys.valid(i)) values[sort_keys.ToBytes(i)] = "";
  }
  ARROW_RETURN_NOT_OK(CollectRows(*known.state, rows.get(), version->applied,
                                  clock_->NowMicros(),
                                  [&](const std::string& key, const KeyRows& key_rows) {
                                    key_rows.AppendTo(&values[key]);
                                    return Status::OK();
                                  }));
  const std::string refill_key = RefillKey(*known.state);
  Fields fields;
  RedisCommand done = {"HDEL", refill_key};
  for (const auto& [key, value] : values) {
    fields.Add(key, value);
    done.push_back(key);
  }
  ARROW_RETURN_NOT_OK(WriteFields(*known.state, fields, &*version));
  return done.size() == 2 ? Status::OK() : link_->Run(done).status();
}

Status RedisStore::Load(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
                        int64_t version) {
  std::lock_guard writer(WriterOf(group));
  ARROW_RETURN_NOT_OK(ReadGroups());
  ARROW_ASSIGN_OR_RAISE(const Group known, Find(group));
  // All its rows have the newest layout; older ones are forgotten.
  ARROW_ASSIGN_OR_RAISE(GroupState made,
                        GroupState::Make(known.state->id, known.state->definition));
  made.generation = known.state->generation + 1;
  const Group next{known.serial + 1, std::make_shared<GroupState>(std::move(made))};
  // What a load that was interrupted may have left.
  ARROW_RETURN_NOT_OK(Retire(*next.state));
  Version now{.serial = next.serial, .applied = version};
  Fields fields;
  ARROW_RETURN_NOT_OK(CollectRows(*next.state, rows.get(), version, clock_->NowMicros(),
                                  [&](const std::string& key, const KeyRows& key_rows) -> Status {
                                    std::string value;
                                    key_rows.AppendTo(&value);
                                    fields.Add(key, std::move(value));
                                    if (fields.bytes < kLoadBytes) return Status::OK();
                                    const Status written = WriteFields(*next.state, fields, &now);
                                    fields.Clear();
                                    return written;
                                  }));
  ARROW_RETURN_NOT_OK(WriteFields(*next.state, fields, &now));
  // The switch: readers that know the old generation see it until it is gone.
  ARROW_RETURN_NOT_OK(WriteGroup(group, next));
  return Retire(*known.state);
}

}  // namespace tercet
