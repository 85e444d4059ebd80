#include "bucket/credentials.h"

#include "base/log.h"

namespace tercet {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kRenewBeforeUs = 300 * kSecond;
constexpr int64_t kPauseUs = 30 * kSecond;

class Fixed : public CredentialsSource {
 public:
  explicit Fixed(S3Credentials credentials) : credentials_(std::move(credentials)) {}
  Result<S3Credentials> Get(int64_t) override { return credentials_; }
  bool Renew(const S3Credentials&) override { return false; }

 private:
  const S3Credentials credentials_;
};

}  // namespace

std::shared_ptr<CredentialsSource> FixedCredentials(S3Credentials credentials) {
  return std::make_shared<Fixed>(std::move(credentials));
}

Result<S3Credentials> TemporaryCredentials::Get(int64_t now_us) {
  const std::lock_guard lock(mutex_);
  const auto lasts = [&](int64_t until_us) {
    return current_ && (!current_->expires_us || *current_->expires_us > until_us);
  };
  const bool asked_lately = now_us - fetched_us_ < kPauseUs && now_us >= fetched_us_;
  if (lasts(now_us + kRenewBeforeUs) || (asked_lately && lasts(now_us))) return *current_;
  Result<S3Credentials> fetched = fetch_();
  fetched_us_ = now_us;
  if (fetched.ok()) {
    current_ = *fetched;
  } else if (lasts(now_us)) {
    LogWarn("credentials of the object store are not renewed: " + fetched.status().message());
    return *current_;
  }
  return fetched;
}

bool TemporaryCredentials::Renew(const S3Credentials& refused) {
  const std::lock_guard lock(mutex_);
  // Another thread may have been told so before.
  if (current_ && *current_ == refused) current_.reset();
  return true;
}

}  // namespace tercet
