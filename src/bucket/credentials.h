#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"

namespace tercet {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;          ///< of temporary credentials; may be empty
  std::optional<int64_t> expires_us;  ///< microseconds since the epoch; nullopt: never

  bool operator==(const S3Credentials&) const = default;
};

/// Who asks an object store: the same for ever, or somebody who is given new credentials now and
/// then. Thread-safe.
class CredentialsSource {
 public:
  virtual ~CredentialsSource() = default;
  /// Credentials to sign a request of this moment with. An error says where they were looked for.
  virtual Result<S3Credentials> Get(int64_t now_us) = 0;
  /// To be told when a store says that these have expired. Whether the next Get may give others.
  virtual bool Renew(const S3Credentials& refused) = 0;
};

/// Credentials that never change.
std::shared_ptr<CredentialsSource> FixedCredentials(S3Credentials credentials);

/// Credentials that are fetched, kept, and fetched again five minutes before they expire. Where
/// that fails they are used as long as they last, and asked for twice a minute.
class TemporaryCredentials : public CredentialsSource {
 public:
  using Fetch = std::function<Result<S3Credentials>()>;
  explicit TemporaryCredentials(Fetch fetch) : fetch_(std::move(fetch)) {}

  Result<S3Credentials> Get(int64_t now_us) override;
  bool Renew(const S3Credentials& refused) override;

 private:
  const Fetch fetch_;
  std::mutex mutex_;  // held while they are fetched, so that one thread asks for all
  std::optional<S3Credentials> current_;
  int64_t fetched_us_ = 0;
};

}  // namespace tercet
