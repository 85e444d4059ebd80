#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "server/contract_cache.h"
#include "server/neighbor_routes.h"
#include "server/rest_routes.h"
#include "server/sql_routes.h"

namespace tercet {
namespace {

/// The contract's text; tests run in the repository's folder.
std::string ReadContract() {
  std::ifstream file("api/openapi.yaml");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The lines of one path.
std::string SectionOf(const std::string& contract, const std::string& path) {
  const size_t begin = contract.find("\n  " + path + ":\n");
  if (begin == std::string::npos) return "";
  const size_t end = std::min(contract.find("\n  /", begin + 1), contract.find("\ncomponents:"));
  return contract.substr(begin, end - begin);
}

TEST(OpenApiTest, NamesEveryRouteAndNoOther) {
  const std::string contract = ReadContract();
  ASSERT_FALSE(contract.empty()) << "run from the repository's folder";
  // Handlers are not called, so they need no project.
  std::vector<Route> routes;
  for (auto more :
       {FeatureGroupRoutes(nullptr), FeatureViewRoutes(nullptr, nullptr), TrainingRoutes(nullptr),
        RunRoutes(nullptr), DiscoveryRoutes(nullptr), SqlRoutes(nullptr), ModelRoutes(nullptr),
        BatchRoutes(nullptr),
        DeploymentRoutes(nullptr, nullptr), TrialRoutes(nullptr),
        NeighborRoutes(nullptr, nullptr)}) {
    routes.insert(routes.end(), more.begin(), more.end());
  }
  for (const Route& route : routes) {
    std::string method = route.method;
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    EXPECT_NE(SectionOf(contract, route.pattern).find("\n    " + method + ":\n"), std::string::npos)
        << route.method << " " << route.pattern << " is not in api/openapi.yaml";
  }
  size_t operations = 0;
  for (size_t at = 0; (at = contract.find("operationId:", at)) != std::string::npos; ++at) {
    ++operations;
  }
  // And the two of the server itself: /api/v1 and /metrics.
  EXPECT_EQ(operations, routes.size() + 2);
}

}  // namespace
}  // namespace tercet
