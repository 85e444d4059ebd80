#include "client/client.h"

#include "client/remote_platform.h"

namespace tercet {

Result<std::shared_ptr<Platform>> OpenProject(const std::string& location,
                                              const PlatformOptions& options) {
  if (location.empty()) return Status::Invalid("a project needs a directory or an address");
  if (location.starts_with("tercet://")) return RemotePlatform::Open(location, options);
  const size_t scheme = location.find("://");
  if (scheme != std::string::npos && !location.starts_with("s3://")) {
    return Status::Invalid("project '", location, "': there is no scheme '",
                           location.substr(0, scheme),
                           "'; give a directory, s3://BUCKET/PREFIX or tercet://HOST:PORT");
  }
  return Platform::Open(location, options);
}

}  // namespace tercet
