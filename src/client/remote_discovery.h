#pragma once

#include <string>
#include <vector>

#include "client/http_link.h"
#include "platform/discovery.h"

namespace tercet {

/// Discovery against a server, over HTTP.
class RemoteDiscovery : public Discovery {
 public:
  explicit RemoteDiscovery(HttpLink* http) : http_(http) {}

  Result<LineageGraph> Lineage(const LineageRequest& request) override;
  Result<ImpactReport> ImpactOf(const std::string& object) override;
  Result<Annotation> Annotate(const std::string& object, const AnnotationChange& change) override;
  Result<Annotation> GetAnnotation(const std::string& object) override;
  Result<std::vector<SearchHit>> Search(const std::string& query, int64_t limit) override;

 private:
  Result<json::object> Get(const std::string& target) const;

  HttpLink* const http_;
};

}  // namespace tercet
