#include "client/remote_neighbors.h"

#include "base/rows_to_json.h"
#include "client/wire.h"
#include "client/wire_error.h"
#include "client/wire_frames.h"

namespace tercet {

Result<std::string> RemoteNeighbors::Ask(const char* nouns, const Ref& ref,
                                         const json::object& body) {
  ARROW_ASSIGN_OR_RAISE(HttpReply reply,
                        http_->Send("POST",
                                    "/api/v1/" + std::string(nouns) + "/" + EncodeUrl(ref.name) +
                                        "/" + std::to_string(ref.version) +
                                        "/neighbors?format=arrow",
                                    "application/json", ToText(body)));
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  return std::move(reply.body);
}

Result<NeighborsAnswer> RemoteNeighbors::Find(const Ref& group, const NeighborsRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string answer, Ask("feature-groups", group, request.ToJson()));
  return NeighborsAnswerFromBytes(answer);
}

Result<VectorNeighborsAnswer> RemoteNeighbors::FindVectors(const Ref& view,
                                                           const VectorNeighborsRequest& request) {
  json::object body = request.search.ToJson();
  if (request.entities != nullptr) {
    std::string rows = "[";
    for (int64_t row = 0; row < request.entities->num_rows(); ++row) {
      if (row > 0) rows += ',';
      AppendJsonRow(*request.entities, row, &rows);
    }
    ARROW_ASSIGN_OR_RAISE(body["entities"], ParseJson(rows + "]"));
  }
  if (request.training_dataset_version) {
    body["training_dataset_version"] = *request.training_dataset_version;
  }
  ARROW_ASSIGN_OR_RAISE(const std::string answer, Ask("feature-views", view, body));
  return VectorNeighborsAnswerFromBytes(answer);
}

Result<std::vector<NeighborIndexInfo>> RemoteNeighbors::Indexes() {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply,
                        http_->Send("GET", "/api/v1/neighbor-indexes", "", ""));
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  ARROW_ASSIGN_OR_RAISE(const json::object answer, ParseJsonObject(reply.body));
  return ItemsFromJson<NeighborIndexInfo>(answer);
}

}  // namespace tercet
