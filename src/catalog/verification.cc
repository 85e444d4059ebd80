#include "catalog/verification.h"

#include "catalog/definition_json.h"

namespace tercet {

json::object VerifyRequest::ToJson() const {
  json::object object = {{"limit", limit}};
  if (start_us) object["start"] = *start_us;
  if (end_us) object["end"] = *end_us;
  return object;
}

Result<VerifyRequest> VerifyRequest::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("verify request", object, {"start", "end", "limit"}));
  VerifyRequest request;
  ARROW_ASSIGN_OR_RAISE(request.start_us, FindInt(object, "start"));
  ARROW_ASSIGN_OR_RAISE(request.end_us, FindInt(object, "end"));
  ARROW_ASSIGN_OR_RAISE(const auto limit, FindInt(object, "limit"));
  request.limit = limit.value_or(request.limit);
  if (request.limit < 0) {
    return Status::Invalid("'limit' is ", request.limit, "; it must be 0 (all) or more");
  }
  return request;
}

json::object Verification::ToJson() const {
  json::array list;
  for (const Difference& one : listed) {
    list.push_back(json::object{{"request_id", one.request_id},
                                {"event_time_us", one.event_time_us},
                                {"feature", one.feature},
                                {"online", one.online},
                                {"offline", one.offline}});
  }
  json::array unread;
  for (const Unreadable& one : unreadable_rows) {
    unread.push_back(json::object{{"request_id", one.request_id},
                                  {"event_time_us", one.event_time_us},
                                  {"because", one.because}});
  }
  return {{"passed", passed()},
          {"rows", rows},
          {"unavailable", unavailable},
          {"unreadable", unreadable},
          {"unreadable_because", ToJsonObject(unreadable_because)},
          {"unreadable_rows", std::move(unread)},
          {"differences", differences},
          {"by_feature", ToJsonObject(by_feature)},
          {"listed", std::move(list)}};
}

Result<Verification> Verification::FromJson(const json::object& object) {
  Verification report;
  ARROW_ASSIGN_OR_RAISE(report.rows, GetInt(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(report.unavailable, GetInt(object, "unavailable"));
  ARROW_ASSIGN_OR_RAISE(report.unreadable, GetInt(object, "unreadable"));
  ARROW_ASSIGN_OR_RAISE(report.unreadable_because, FindIntMap(object, "unreadable_because"));
  ARROW_ASSIGN_OR_RAISE(const auto unread, FindObjects(object, "unreadable_rows"));
  for (const json::object& item : unread) {
    Unreadable& one = report.unreadable_rows.emplace_back();
    ARROW_ASSIGN_OR_RAISE(one.request_id, GetString(item, "request_id"));
    ARROW_ASSIGN_OR_RAISE(one.event_time_us, GetInt(item, "event_time_us"));
    ARROW_ASSIGN_OR_RAISE(one.because, GetString(item, "because"));
  }
  ARROW_ASSIGN_OR_RAISE(report.differences, GetInt(object, "differences"));
  ARROW_ASSIGN_OR_RAISE(report.by_feature, FindIntMap(object, "by_feature"));
  ARROW_ASSIGN_OR_RAISE(const json::array list, FindArray(object, "listed"));
  for (const json::value& item : list) {
    if (!item.is_object()) return Status::Invalid("a difference must be an object");
    Difference& one = report.listed.emplace_back();
    ARROW_ASSIGN_OR_RAISE(one.request_id, GetString(item.as_object(), "request_id"));
    ARROW_ASSIGN_OR_RAISE(one.event_time_us, GetInt(item.as_object(), "event_time_us"));
    ARROW_ASSIGN_OR_RAISE(one.feature, GetString(item.as_object(), "feature"));
    ARROW_ASSIGN_OR_RAISE(one.online, GetString(item.as_object(), "online"));
    ARROW_ASSIGN_OR_RAISE(one.offline, GetString(item.as_object(), "offline"));
  }
  return report;
}

void Verification::AddUnreadable(std::string request_id, int64_t event_time_us,
                                 const std::string& because) {
  ++unreadable;
  const bool known = unreadable_because.contains(because);
  ++unreadable_because[known || unreadable_because.size() < kReasons ? because : "other reasons"];
  if (unreadable_rows.size() == kListed) return;
  unreadable_rows.push_back({.request_id = std::move(request_id),
                             .event_time_us = event_time_us,
                             .because = because});
}

}  // namespace tercet
