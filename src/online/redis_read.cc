#include <algorithm>
#include <chrono>
#include <optional>

#include "base/deadline.h"
#include "base/log.h"
#include "catalog/given_keys.h"
#include "compute/sort_key.h"
#include "online/group_rows.h"
#include "online/redis_store.h"

namespace tercet {
namespace {

/// Tries of a read that writes come in between, or whose groups are loaded anew.
constexpr int kTries = 100;
/// A read waits for a Redis that does not answer so long, at most.
constexpr std::chrono::seconds kReadPatience{1};

/// Until when to wait for Redis: with copies, half of what the request has left, so that there is
/// time to answer from them.
Deadline ReadDeadline(bool copies) {
  const auto now = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration patience = kReadPatience;
  if (const Deadline asked = CurrentDeadline()) {
    patience = std::min(patience, copies ? (*asked - now) / 2 : *asked - now);
  }
  return now + patience;
}

}  // namespace

/// A request, ready to be sent.
struct RedisStore::Asked {
  Group group;
  std::shared_ptr<const RowProjection> projection;
  std::string rows_key;
  std::vector<std::string> fields;  ///< the keys; "" for one with a null
};

Result<std::vector<RowsAnswer>> RedisStore::Read(const std::vector<RowsRequest>& requests) {
  bool away = false;
  auto answers = [&] {
    const DeadlineScope scope(ReadDeadline(copies_ != nullptr));
    return ReadRedis(requests, &away);
  }();
  if (copies_ == nullptr) return answers;
  const int64_t now_us = clock_->NowMicros();
  if (answers.ok()) {
    heard_us_.store(now_us, std::memory_order_relaxed);
    if (stale_.exchange(false, std::memory_order_relaxed)) {
      LogInfo("online store: Redis answers again");
    }
  }
  const bool copies = away && now_us - heard_us_.load(std::memory_order_relaxed) <= stale_us_;
  if (!copies) return answers;
  if (!stale_.exchange(true, std::memory_order_relaxed)) {
    LogWarn("online store: answering from copies, since " + answers.status().message());
  }
  return ReadCopies(requests);
}

Result<std::vector<RowsAnswer>> RedisStore::ReadRedis(const std::vector<RowsRequest>& requests,
                                                      bool* away) {
  const bool chained = std::any_of(requests.begin(), requests.end(),
                                   [](const auto& request) { return !request.keys_from.empty(); });
  for (int i = 0; i < kTries; ++i) {
    if (!chained) {
      ARROW_ASSIGN_OR_RAISE(auto answers, TryRead(requests, away));
      if (answers) return std::move(*answers);
      continue;
    }
    // The last look asks all groups again, and counts if what gave the keys has not changed.
    std::vector<RowsRequest> known = requests;
    std::vector<RowsAnswer> before;
    for (size_t r = 0; r < requests.size(); ++r) {
      ARROW_ASSIGN_OR_RAISE(known[r], WithKeysGiven(known, before, r));
      std::optional<std::vector<RowsAnswer>> one;
      while (!one) {
        ARROW_ASSIGN_OR_RAISE(one, TryRead({known[r]}, away));
      }
      before.push_back(std::move((*one)[0]));
    }
    ARROW_ASSIGN_OR_RAISE(auto answers, TryRead(known, away));
    if (!answers) continue;
    const bool same = std::equal(before.begin(), before.end(), answers->begin(),
                                 [](const RowsAnswer& a, const RowsAnswer& b) {
                                   return a.status == b.status && a.rows->Equals(*b.rows);
                                 });
    if (same) return std::move(*answers);
  }
  return Status::IOError("online store: the rows in Redis changed all the time while they were "
                         "read");
}

Result<RedisStore::Asked> RedisStore::Prepare(const RowsRequest& request, bool known) {
  Asked one;
  ARROW_ASSIGN_OR_RAISE(one.group, Find(request.group));
  // Of a group without rows nothing tells when it gets some.
  if (one.group.state->generation == 0 && !known) {
    ARROW_RETURN_NOT_OK(ReadGroups());
    ARROW_ASSIGN_OR_RAISE(one.group, Find(request.group));
  }
  const GroupState& state = *one.group.state;
  ARROW_RETURN_NOT_OK(CheckRequest(request, state));
  auto projection = state.projections->Get(state.layouts, request.columns, request.group.name);
  if (projection.status().IsKeyError() && !known) {
    // The column may have been added since.
    ARROW_RETURN_NOT_OK(ReadGroups());
    ARROW_ASSIGN_OR_RAISE(one.group, Find(request.group));
    const GroupState& newer = *one.group.state;
    projection = newer.projections->Get(newer.layouts, request.columns, request.group.name);
  }
  ARROW_ASSIGN_OR_RAISE(one.projection, std::move(projection));
  ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(request.keys->columns()));
  for (int64_t i = 0; i < request.keys->num_rows(); ++i) {
    one.fields.push_back(sort_keys.valid(i) ? sort_keys.ToBytes(i) : "");
  }
  one.rows_key = RowsKey(*one.group.state);
  return one;
}

Result<std::optional<std::vector<RowsAnswer>>> RedisStore::TryRead(
    const std::vector<RowsRequest>& requests, bool* away) {
  std::vector<Asked> asked;
  std::vector<RedisCommand> commands;
  std::vector<std::string> keys;
  for (const RowsRequest& request : requests) {
    auto prepared = Prepare(request, false);
    // What is asked of Redis here are the states, which are text of ours: it does not answer.
    *away |= prepared.status().IsIOError();
    ARROW_RETURN_NOT_OK(prepared.status());
    keys.push_back(prepared->rows_key);
    asked.push_back(std::move(*prepared));
  }
  for (const Asked& one : asked) {
    RedisCommand& command = commands.emplace_back(RedisCommand{"HMGET", one.rows_key, ""});
    command.insert(command.end(), one.fields.begin(), one.fields.end());
  }
  // Of one group, one command is one moment. Several are when no version has changed at their end:
  // then all hold at the time between.
  std::vector<RedisCommand> checks;
  if (asked.size() > 1) {
    for (const Asked& one : asked) checks.push_back({"HGET", one.rows_key, ""});
  }
  const bool in_one_go = keys.empty() || link_->OnOneNode(keys);
  if (in_one_go) commands.insert(commands.end(), checks.begin(), checks.end());
  auto run = link_->Run(commands);
  if (run.ok() && !in_one_go) {
    auto more = link_->Run(checks);
    if (more.ok()) {
      std::move(more->begin(), more->end(), std::back_inserter(*run));
    } else {
      run = more.status();
    }
  }
  *away |= run.status().IsIOError();
  ARROW_ASSIGN_OR_RAISE(const std::vector<RedisReply> replies, std::move(run));

  std::vector<RowsAnswer> answers;
  for (size_t r = 0; r < requests.size(); ++r) {
    const RedisReply& reply = replies[r];
    if (reply.kind == RedisReply::Kind::kError) {
      *away |= IsNotReady(reply);
      return Status::IOError("online store: Redis refuses to read feature group '",
                             requests[r].group.ToText(), "': ", reply.text);
    }
    if (asked.size() > 1 && asked[r].group.state->generation != 0 && !reply.list.empty() &&
        reply.list[0].text != replies[asked.size() + r].text) {
      return std::nullopt;
    }
    ARROW_ASSIGN_OR_RAISE(auto answer, AnswerOf(requests[r], asked[r], reply));
    if (!answer) {
      ARROW_RETURN_NOT_OK(ReadGroups());
      return std::nullopt;
    }
    answers.push_back(std::move(*answer));
  }
  return answers;
}

Result<std::optional<RowsAnswer>> RedisStore::AnswerOf(const RowsRequest& request,
                                                       const Asked& asked,
                                                       const RedisReply& reply) {
  const GroupState& state = *asked.group.state;
  const int64_t n = request.keys->num_rows();
  if (reply.list.size() != static_cast<size_t>(n) + 1) {
    return Status::IOError("online store: Redis answered ", reply.list.size(), " values of ",
                           n + 1);
  }
  RowsAnswer answer;
  if (state.generation != 0) {
    const auto version = Version::Parse(reply.list[0].text);
    // The generation is gone, or has rows of layouts that are not known here.
    if (!version || version->serial > asked.group.serial) return std::nullopt;
    answer.version = version->applied;
  }
  answer.status.assign(n, RowStatus::kMissing);
  answer.event_times_us.assign(n, kNoEventTime);
  answer.commits.assign(n, -1);
  std::vector<StoredRow> rows(n);
  for (int64_t i = 0; i < n; ++i) {
    if (asked.fields[i].empty()) continue;
    const std::string& text = reply.list[i + 1].text;
    // A key that was deleted has no value, or for a moment an empty one.
    const std::string_view value = text.empty() ? std::string_view() : std::string_view(text);
    if (copies_ != nullptr) {
      copies_->Keep(asked.rows_key + asked.fields[i],
                    text.empty() ? std::nullopt : std::optional(value));
    }
    ARROW_ASSIGN_OR_RAISE(const FoundRow found, FindRow(state, value, request.event_times_us[i],
                                                        request.ttl_us));
    answer.status[i] = found.status;
    answer.event_times_us[i] = found.event_time_us;
    answer.commits[i] = found.commit;
    rows[i] = found.row;
  }
  ARROW_ASSIGN_OR_RAISE(answer.rows, asked.projection->Gather(rows));
  return answer;
}

Result<std::vector<RowsAnswer>> RedisStore::ReadCopies(const std::vector<RowsRequest>& requests) {
  std::vector<RowsRequest> known = requests;
  std::vector<RowsAnswer> answers;
  for (size_t r = 0; r < requests.size(); ++r) {
    ARROW_ASSIGN_OR_RAISE(known[r], WithKeysGiven(known, answers, r));
    ARROW_ASSIGN_OR_RAISE(answers.emplace_back(), CopyOf(known[r]));
  }
  return answers;
}

Result<RowsAnswer> RedisStore::CopyOf(const RowsRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const Asked asked, Prepare(request, true));
  const size_t n = asked.fields.size();
  RowsAnswer answer;
  answer.status.assign(n, RowStatus::kMissing);
  answer.event_times_us.assign(n, kNoEventTime);
  answer.commits.assign(n, -1);
  std::vector<std::string> values(n);
  std::vector<StoredRow> rows(n);
  for (size_t i = 0; i < n; ++i) {
    if (asked.fields[i].empty()) continue;
    answer.status[i] = RowStatus::kUnavailable;
    const std::string key = asked.rows_key + asked.fields[i];
    if (copies_->Find(key, copies_->Prepare(key), &values[i]) != RowCache::Found::kValue) continue;
    ARROW_ASSIGN_OR_RAISE(const FoundRow found,
                          FindRow(*asked.group.state, values[i], request.event_times_us[i],
                                  request.ttl_us));
    // What the copy lacks may be in Redis.
    if (found.status != RowStatus::kPresent) continue;
    answer.status[i] = RowStatus::kStale;
    answer.event_times_us[i] = found.event_time_us;
    answer.commits[i] = found.commit;
    rows[i] = found.row;
  }
  ARROW_ASSIGN_OR_RAISE(answer.rows, asked.projection->Gather(rows));
  return answer;
}

}  // namespace tercet
