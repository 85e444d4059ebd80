#include "client/remote_neighbors.h"

#include "client/wire.h"
#include "client/wire_error.h"
#include "client/wire_frames.h"

namespace tercet {

Result<NeighborsAnswer> RemoteNeighbors::Find(const Ref& group, const NeighborsRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply,
                        http_->Send("POST",
                                    "/api/v1/feature-groups/" + EncodeUrl(group.name) + "/" +
                                        std::to_string(group.version) + "/neighbors?format=arrow",
                                    "application/json", ToText(request.ToJson())));
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  return NeighborsAnswerFromBytes(reply.body);
}

Result<std::vector<NeighborIndexInfo>> RemoteNeighbors::Indexes() {
  ARROW_ASSIGN_OR_RAISE(const HttpReply reply,
                        http_->Send("GET", "/api/v1/neighbor-indexes", "", ""));
  if (reply.status >= 400) return ErrorFromBody(reply.status, reply.body);
  ARROW_ASSIGN_OR_RAISE(const json::object answer, ParseJsonObject(reply.body));
  return ItemsFromJson<NeighborIndexInfo>(answer);
}

}  // namespace tercet
