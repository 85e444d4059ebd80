#include "catalog/definition_json.h"
#include "client/json_rows.h"
#include "client/wire.h"
#include "server/rest_arguments.h"
#include "server/rest_routes.h"

namespace tercet {
namespace {

constexpr int64_t kDefaultLimit = 100;
constexpr int64_t kMaxLimit = 10'000;

using Answer = Result<HttpAnswer>;

Result<int64_t> Limit(const HttpRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const auto limit, QueryInt(request, "limit"));
  if (limit && (*limit < 0 || *limit > kMaxLimit)) {
    return Status::Invalid("limit ", *limit, " must be from 0 to ", kMaxLimit,
                           "; read larger frames over Flight");
  }
  return limit.value_or(kDefaultLimit);
}

/// The rows of a body's member with the group's column types.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOf(const FeatureGroupDefinition& group,
                                                   const json::object& body,
                                                   std::string_view member) {
  if (group.schema == nullptr) {
    return Status::Invalid("feature group '", group.ref().ToText(),
                           "' has no schema yet, so JSON has no types; declare one, or insert a "
                           "frame first");
  }
  ARROW_ASSIGN_OR_RAISE(const json::array rows, FindArray(body, member));
  return RowsFromJson("feature group '" + group.ref().ToText() + "'", rows, *group.schema);
}

Answer Insert(Platform* platform, const Ref& ref, json::object body) {
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, platform->GetFeatureGroup(ref));
  ARROW_ASSIGN_OR_RAISE(const auto batch, RowsOf(group, body, "rows"));
  body.erase("rows");
  ARROW_ASSIGN_OR_RAISE(const InsertRequest request, InsertRequestFromJson(body));
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows, ReaderOf(batch));
  ARROW_ASSIGN_OR_RAISE(const Commit commit, platform->Insert(group.ref(), rows, request));
  return HttpAnswer::Json(commit.ToJson());
}

Answer Delete(Platform* platform, const Ref& ref, const json::object& body) {
  ARROW_RETURN_NOT_OK(CheckMembers("deletion", body, {"keys", "wait_online"}));
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, platform->GetFeatureGroup(ref));
  ARROW_ASSIGN_OR_RAISE(const auto batch, RowsOf(group, body, "keys"));
  ARROW_ASSIGN_OR_RAISE(const auto wait_online, FindBool(body, "wait_online"));
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader keys, ReaderOf(batch));
  ARROW_ASSIGN_OR_RAISE(const Commit commit,
                        platform->Delete(group.ref(), keys, wait_online.value_or(false)));
  return HttpAnswer::Json(commit.ToJson());
}

/// A handler of one group: /api/v1/feature-groups/{name}/{version}/….
template <typename Use>
Handler OfGroup(const Use& use) {
  return [use](const HttpRequest& request, const PathArguments& arguments) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, ReadRef(arguments[0], arguments[1]));
    return use(ref, request);
  };
}

}  // namespace

std::vector<Route> FeatureGroupRoutes(Platform* platform) {
  const std::string all = "/api/v1/feature-groups";
  const std::string one = all + "/{name}/{version}";
  std::vector<Route> routes;
  const auto add = AddTo(&routes);
  add("GET", all, [platform](const HttpRequest&, const PathArguments&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const auto groups, platform->ListFeatureGroups());
    return HttpAnswer::Json(ItemsToJson(groups));
  });
  add("POST", all, [platform](const HttpRequest& request, const PathArguments&) -> Answer {
    ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
    ARROW_ASSIGN_OR_RAISE(const auto definition, FeatureGroupDefinition::FromJson(body));
    ARROW_ASSIGN_OR_RAISE(const auto stored, platform->DefineFeatureGroup(definition));
    return HttpAnswer::Json(stored.ToJson());
  });
  add("GET", one, OfGroup([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto group, platform->GetFeatureGroup(ref));
        return HttpAnswer::Json(group.ToJson());
      }));
  add("DELETE", one, OfGroup([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_RETURN_NOT_OK(platform->DropFeatureGroup(ref));
        return HttpAnswer::Json(json::object());
      }));
  add("GET", one + "/description",
      OfGroup([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto description, platform->DescribeFeatureGroup(ref));
        return HttpAnswer::Json(description);
      }));
  add("GET", one + "/commits", OfGroup([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const auto commits, platform->Commits(ref));
        return HttpAnswer::Json(ItemsToJson(commits));
      }));
  add("GET", one + "/statistics",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const ReadRequest read, QueryRead(request));
        ARROW_ASSIGN_OR_RAISE(const auto statistics, platform->Statistics(ref, read));
        return HttpAnswer::Json(statistics);
      }));
  // The same with all that a read request can say, such as column names with commas.
  add("POST", one + "/statistics",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const ReadRequest read, ReadRequestFromJson(body));
        ARROW_ASSIGN_OR_RAISE(const auto statistics, platform->Statistics(ref, read));
        return HttpAnswer::Json(statistics);
      }));
  add("POST", one + "/compact", OfGroup([platform](const Ref& ref, const HttpRequest&) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const Commit commit, platform->Compact(ref));
        return HttpAnswer::Json(commit.ToJson());
      }));
  add("POST", one + "/rebuild-online",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_RETURN_NOT_OK(CheckMembers("rebuild request", body, {"version"}));
        ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(body, "version"));
        ARROW_ASSIGN_OR_RAISE(const int64_t rebuilt, platform->RebuildOnline(ref, version));
        return HttpAnswer::Json(json::object{{"version", rebuilt}});
      }));
  add("POST", one + "/alter",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const auto change, FeatureGroupChange::FromJson(body));
        ARROW_ASSIGN_OR_RAISE(const auto altered, platform->AlterFeatureGroup(ref, change));
        return HttpAnswer::Json(altered.ToJson());
      }));
  add("POST", one + "/vacuum",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_ASSIGN_OR_RAISE(const auto wanted, VacuumRequest::FromJson(body));
        ARROW_ASSIGN_OR_RAISE(const VacuumReport report, platform->Vacuum(ref, wanted));
        return HttpAnswer::Json(report.ToJson());
      }));
  add("POST", one + "/erasures",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        ARROW_RETURN_NOT_OK(CheckMembers("erasure", body, {"keys"}));
        ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition group, platform->GetFeatureGroup(ref));
        ARROW_ASSIGN_OR_RAISE(const auto batch, RowsOf(group, body, "keys"));
        ARROW_ASSIGN_OR_RAISE(const RecordBatchReader keys, ReaderOf(batch));
        ARROW_ASSIGN_OR_RAISE(const ErasureReport report, platform->Erase(group.ref(), keys));
        return HttpAnswer::Json(report.ToJson());
      }));
  add("GET", one + "/rows",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const int64_t limit, Limit(request));
        ARROW_ASSIGN_OR_RAISE(const ReadRequest read, QueryRead(request));
        ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows, platform->Read(ref, read));
        return RowsAnswer(rows.get(), limit);
      }));
  add("POST", one + "/rows",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(json::object body, request.JsonBody());
        return Insert(platform, ref, std::move(body));
      }));
  add("POST", one + "/deletions",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const json::object body, request.JsonBody());
        return Delete(platform, ref, body);
      }));
  add("GET", one + "/changes",
      OfGroup([platform](const Ref& ref, const HttpRequest& request) -> Answer {
        ARROW_ASSIGN_OR_RAISE(const int64_t limit, Limit(request));
        ARROW_ASSIGN_OR_RAISE(const auto since, QueryInt(request, "since"));
        ARROW_ASSIGN_OR_RAISE(const auto until, QueryInt(request, "until"));
        ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows,
                              platform->Changes(ref, since.value_or(0), until.value_or(-1)));
        return RowsAnswer(rows.get(), limit);
      }));
  return routes;
}

}  // namespace tercet
