#pragma once

#include <vector>

#include "client/http_link.h"
#include "platform/neighbors.h"

namespace tercet {

/// Neighbors against a server, over HTTP.
class RemoteNeighbors : public Neighbors {
 public:
  explicit RemoteNeighbors(HttpLink* http) : http_(http) {}

  Result<NeighborsAnswer> Find(const Ref& group, const NeighborsRequest& request) override;
  Result<VectorNeighborsAnswer> FindVectors(const Ref& view,
                                            const VectorNeighborsRequest& request) override;
  Result<std::vector<NeighborIndexInfo>> Indexes() override;

 private:
  /// The frames that the server answers.
  Result<std::string> Ask(const char* nouns, const Ref& ref, const json::object& body);

  HttpLink* const http_;
};

}  // namespace tercet
