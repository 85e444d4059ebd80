#include "bucket/credential_chain.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "bucket/credential_requests.h"
#include "bucket/http_connection.h"

namespace tercet {
namespace {

using Fetch = TemporaryCredentials::Fetch;
using Section = AwsSettings::Section;

constexpr int kMaxProfiles = 8;  // that name one another

/// Where containers and instances find what is meant for them alone: by HTTP, the credentials go
/// nowhere else.
constexpr std::array kNearHosts = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23",
                                   "localhost",     "127.0.0.1",      "::1"};

Status CheckNear(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t path = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
  ARROW_ASSIGN_OR_RAISE(const HttpAddress address, HttpAddress::Parse(url.substr(0, path)));
  if (address.encrypted ||
      std::find(kNearHosts.begin(), kNearHosts.end(), address.host) != kNearHosts.end()) {
    return Status::OK();
  }
  return Status::Invalid(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https address, or one of "
      "this machine or its container's host, not '",
      url, "'");
}

class Chain {
 public:
  Chain(const AwsSettings& settings, const std::string& region, const std::string& ca_file)
      : settings_(settings), service_{.endpoint = "", .region = region, .ca_file = ca_file} {
    service_.endpoint =
        settings.Text("", {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}, "endpoint_url");
    if (service_.endpoint.empty()) {
      service_.endpoint = "https://sts." + region + AmazonDomain(region);
    }
    while (service_.endpoint.ends_with('/')) service_.endpoint.pop_back();
  }

  Result<std::shared_ptr<CredentialsSource>> Find() const {
    if (auto keys = GivenKeys()) {
      if (!keys->secret_access_key.empty()) return FixedCredentials(*std::move(keys));
      return Status::Invalid(
          "no credentials for the object store: there is an AWS_ACCESS_KEY_ID, "
          "and no AWS_SECRET_ACCESS_KEY");
    }
    const std::string token_file = Variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!token_file.empty() && !Variable("AWS_ROLE_ARN").empty()) {
      const Role role{.arn = Variable("AWS_ROLE_ARN"),
                      .session_name = SessionName(Variable("AWS_ROLE_SESSION_NAME")),
                      .external_id = {}};
      return Begin(WebIdentity(role, token_file));
    }
    if (ProfileHasCredentials(settings_.profile())) {
      ARROW_ASSIGN_OR_RAISE(const Fetch fetch,
                            OfProfile(settings_.profile_name(), settings_.profile(), 0));
      return Begin(fetch);
    }
    if (HasContainer()) {
      ARROW_ASSIGN_OR_RAISE(const Fetch fetch, OfContainer());
      return Begin(fetch);
    }
    if (Variable("AWS_EC2_METADATA_DISABLED") != "true") {
      auto source = Begin(OfInstance());
      if (source.ok()) return source;
      return None("; " + source.status().message());
    }
    return None("");
  }

 private:
  std::string Variable(const std::string& name) const {
    return settings_.Variable(name).value_or("");
  }

  static std::string SessionName(const std::string& given) {
    return given.empty() ? "tercet" : given;
  }

  Status None(const std::string& why) const {
    return Status::Invalid(
        "no credentials for the object store: set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials (profile '",
        settings_.profile_name(), "' has none", why, ")");
  }

  /// Fetches them once.
  static Result<std::shared_ptr<CredentialsSource>> Begin(const Fetch& fetch) {
    auto source = std::make_shared<TemporaryCredentials>(fetch);
    ARROW_RETURN_NOT_OK(source->Get(SystemClock()->NowMicros()));
    return source;
  }

  /// Keys that are options or in the environment; nullopt where nobody gives any. The session token
  /// comes from where the key does: another place's belongs to other keys.
  std::optional<S3Credentials> GivenKeys() const {
    const bool is_option = settings_.Option("access_key_id").has_value();
    S3Credentials keys{
        .access_key_id = settings_.Text("access_key_id", {"AWS_ACCESS_KEY_ID"}, ""),
        .secret_access_key = settings_.Text("secret_access_key", {"AWS_SECRET_ACCESS_KEY"}, ""),
        .session_token = settings_.Text(
            "session_token",
            is_option ? std::vector<std::string>{} : std::vector<std::string>{"AWS_SESSION_TOKEN"},
            ""),
        .expires_us = {}};
    if (keys.access_key_id.empty()) return std::nullopt;
    return keys;
  }

  static bool ProfileHasCredentials(const Section& profile) {
    return profile.contains("role_arn") || profile.contains("aws_access_key_id") ||
           profile.contains("credential_process");
  }

  Fetch WebIdentity(const Role& role, const std::string& token_file) const {
    return [service = service_, role, token_file] {
      return CredentialsOfWebIdentity(service, role, token_file);
    };
  }

  bool HasContainer() const {
    return !Variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
           !Variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
  }

  Result<Fetch> OfContainer() const {
    const std::string relative = Variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const std::string url = relative.empty() ? Variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                             : "http://169.254.170.2" + relative;
    ARROW_RETURN_NOT_OK(CheckNear(url));
    const std::string token_file = Variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const std::string given = Variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    return [url, token_file, given]() -> Result<S3Credentials> {
      if (token_file.empty()) return CredentialsOfContainer(url, given);
      ARROW_ASSIGN_OR_RAISE(const std::string token, LocalFileSystem()->ReadFile(token_file));
      return CredentialsOfContainer(url, token);
    };
  }

  Fetch OfInstance() const {
    std::string endpoint =
        settings_.Text("", {"AWS_EC2_METADATA_SERVICE_ENDPOINT"}, "ec2_metadata_service_endpoint");
    if (endpoint.empty()) endpoint = "http://169.254.169.254";
    while (endpoint.ends_with('/')) endpoint.pop_back();
    return [endpoint] { return CredentialsOfInstance(endpoint); };
  }

  /// `depth`: how many profiles came before this one.
  Result<Fetch> OfProfile(const std::string& name, const Section& profile, int depth) const {
    const auto wrong = [&](const std::string& what) {
      return Status::Invalid("profile '", name, "' of ~/.aws ", what);
    };
    if (depth >= kMaxProfiles)
      return wrong("comes after too many others that name one another (source_profile)");
    if (const std::string arn = ValueOf(profile, "role_arn"); !arn.empty()) {
      if (profile.contains("mfa_serial")) {
        return wrong(
            "wants a second factor (mfa_serial), which nobody can type here: put "
            "temporary credentials into the environment");
      }
      const Role role{.arn = arn,
                      .session_name = SessionName(ValueOf(profile, "role_session_name")),
                      .external_id = ValueOf(profile, "external_id")};
      if (const auto file = ValueOf(profile, "web_identity_token_file"); !file.empty()) {
        return WebIdentity(role, file);
      }
      ARROW_ASSIGN_OR_RAISE(const Fetch by, SourceOf(name, profile, depth));
      return [service = service_, role, by]() -> Result<S3Credentials> {
        ARROW_ASSIGN_OR_RAISE(const S3Credentials asking, by());
        return CredentialsOfRole(service, role, asking, SystemClock());
      };
    }
    return OwnOf(name, profile);
  }

  /// A profile's own keys, or what its program prints.
  Result<Fetch> OwnOf(const std::string& name, const Section& profile) const {
    const S3Credentials keys{.access_key_id = ValueOf(profile, "aws_access_key_id"),
                             .secret_access_key = ValueOf(profile, "aws_secret_access_key"),
                             .session_token = ValueOf(profile, "aws_session_token"),
                             .expires_us = {}};
    if (!keys.access_key_id.empty() && !keys.secret_access_key.empty()) {
      // Tools that log in write new ones into the file, from which they are then read again.
      return [settings = settings_, name, keys]() -> Result<S3Credentials> {
        ARROW_ASSIGN_OR_RAISE(const Section now, settings.ProfileOf(name));
        S3Credentials read{.access_key_id = ValueOf(now, "aws_access_key_id"),
                           .secret_access_key = ValueOf(now, "aws_secret_access_key"),
                           .session_token = ValueOf(now, "aws_session_token"),
                           .expires_us = {}};
        return read.access_key_id.empty() || read.secret_access_key.empty() ? keys : read;
      };
    }
    const std::string command = ValueOf(profile, "credential_process");
    if (!command.empty()) return [command] { return CredentialsOfProcess(command); };
    return Status::Invalid("profile '", name,
                           "' of ~/.aws has neither keys nor a "
                           "credential_process");
  }

  /// By whom a profile's role is taken.
  Result<Fetch> SourceOf(const std::string& name, const Section& profile, int depth) const {
    if (const auto source = ValueOf(profile, "source_profile"); !source.empty()) {
      ARROW_ASSIGN_OR_RAISE(const Section other, settings_.ProfileOf(source));
      // A profile may name itself: its role is then taken by its own keys.
      return source == name ? OwnOf(name, other) : OfProfile(source, other, depth + 1);
    }
    const std::string source = ValueOf(profile, "credential_source");
    if (source == "Ec2InstanceMetadata") return OfInstance();
    if (source == "EcsContainer" && HasContainer()) return OfContainer();
    return Status::Invalid("profile '", name, "' of ~/.aws has a role_arn, and says not by whom: ",
                           "give it a source_profile, a web_identity_token_file, or a ",
                           "credential_source of Ec2InstanceMetadata or EcsContainer",
                           source.empty() ? "" : " that is there, not '" + source + "'");
  }

  const AwsSettings& settings_;
  TokenService service_;
};

}  // namespace

Result<std::shared_ptr<CredentialsSource>> FindCredentials(const AwsSettings& settings,
                                                           const std::string& region,
                                                           const std::string& ca_file) {
  return Chain(settings, region, ca_file).Find();
}

}  // namespace tercet
