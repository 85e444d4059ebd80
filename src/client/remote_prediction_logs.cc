#include "client/remote_call.h"
#include "client/remote_platform.h"

namespace tercet {

/// The prediction logs of a server's deployments.
class RemotePredictionLogs : public PredictionLogs {
 public:
  explicit RemotePredictionLogs(const RemotePlatform* platform) : platform_(*platform) {}

  Status Flush(const std::string& deployment) override {
    return platform_.Call("POST", PathOf("deployments", deployment) + "/flush-log").status();
  }

  Result<Verification> Verify(const std::string& deployment,
                              const VerifyRequest& request) override {
    return RemotePlatform::As<Verification>(platform_.Call(
        "POST", PathOf("deployments", deployment) + "/verify", request.ToJson()));
  }

 private:
  const RemotePlatform& platform_;
};

std::unique_ptr<PredictionLogs> RemotePlatform::MakePredictionLogs() {
  return std::make_unique<RemotePredictionLogs>(this);
}

}  // namespace tercet
