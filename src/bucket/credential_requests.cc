#include "bucket/credential_requests.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time_text.h"
#include "bucket/http_connection.h"
#include "bucket/signature.h"
#include "bucket/xml_text.h"

namespace tercet {
namespace {

constexpr size_t kMaxAnswerBytes = 1 << 20;
constexpr ConnectionPatience kNear{.connect_ms = 1'000, .silence_ms = 5'000};
constexpr ConnectionPatience kFar{.connect_ms = 5'000, .silence_ms = 15'000};

/// A request to a server that is asked once.
struct Question {
  std::string_view whose;  ///< the server, for messages
  std::string method = "GET";
  std::string url;  ///< "http://host[:port]/path?query"
  TextPairs headers = {};
  std::string body = {};
  std::string ca_file = {};
  ConnectionPatience patience = kNear;
};

/// The body of an answer of status 200.
Result<std::string> Ask(const Question& question) {
  const size_t scheme = question.url.find("://");
  const size_t path = std::min(question.url.find('/', scheme == std::string::npos ? 0 : scheme + 3),
                               question.url.size());
  ARROW_ASSIGN_OR_RAISE(const HttpAddress address,
                        HttpAddress::Parse(question.url.substr(0, path)));
  std::string head = fmt::format("{} {}{} HTTP/1.1\r\nhost: {}\r\n", question.method,
                                 path < question.url.size() ? "" : "/", question.url.substr(path),
                                 address.host_header());
  for (const auto& [name, value] : question.headers) head += fmt::format("{}: {}\r\n", name, value);
  head += fmt::format("content-length: {}\r\nconnection: close\r\n\r\n", question.body.size());
  HttpConnections connection(address, question.ca_file, std::string(question.whose),
                             question.patience);
  bool sent = false;
  ARROW_ASSIGN_OR_RAISE(HttpResponse response,
                        connection.Send(head, question.body, /*is_head=*/false, &sent));
  if (response.status == 200) return std::move(response.body);
  constexpr size_t kToldBytes = 300;
  return Status::IOError(question.whose, " at ", address.ToText(), " answers ", response.status,
                         ": ", response.body.substr(0, kToldBytes));
}

Result<S3Credentials> Whole(S3Credentials credentials, const std::string& expires) {
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return Status::Invalid("the answer holds no credentials");
  }
  if (!expires.empty()) {
    ARROW_ASSIGN_OR_RAISE(credentials.expires_us, ParseTime(expires));
  }
  return credentials;
}

/// `token`: the name of the session token's member, which has two.
Result<S3Credentials> FromJson(std::string_view text, std::string_view token) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        ParseJsonObject(text, {.max_bytes = kMaxAnswerBytes}));
  const auto member = [&](std::string_view name) -> Result<std::string> {
    ARROW_ASSIGN_OR_RAISE(auto value, FindString(answer, name));
    return std::move(value).value_or("");
  };
  S3Credentials credentials;
  ARROW_ASSIGN_OR_RAISE(credentials.access_key_id, member("AccessKeyId"));
  ARROW_ASSIGN_OR_RAISE(credentials.secret_access_key, member("SecretAccessKey"));
  ARROW_ASSIGN_OR_RAISE(credentials.session_token, member(token));
  ARROW_ASSIGN_OR_RAISE(const std::string expires, member("Expiration"));
  return Whole(std::move(credentials), expires);
}

Result<S3Credentials> FromXml(std::string_view text, const std::string& action) {
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, ParseXml(text));
  const XmlElement* const result = root.Find(action + "Result");
  const XmlElement* const found = result == nullptr ? nullptr : result->Find("Credentials");
  if (found == nullptr) return Status::Invalid("the answer holds no credentials");
  return Whole({.access_key_id = found->TextOf("AccessKeyId"),
                .secret_access_key = found->TextOf("SecretAccessKey"),
                .session_token = found->TextOf("SessionToken"),
                .expires_us = {}},
               found->TextOf("Expiration"));
}

/// `by`: who asks; nullptr where the request itself says it.
Result<S3Credentials> AskTokenService(const TokenService& service, const std::string& action,
                                      const Role& role, TextPairs arguments,
                                      const S3Credentials* by, const Clock* clock) {
  arguments.emplace_back("Action", action);
  arguments.emplace_back("Version", "2011-06-15");
  arguments.emplace_back("RoleArn", role.arn);
  arguments.emplace_back("RoleSessionName", role.session_name);
  Question question{.whose = "the token service",
                    .method = "POST",
                    .url = service.endpoint + "/",
                    .headers = {{"content-type", "application/x-www-form-urlencoded"}},
                    .body = QueryText(arguments).substr(1),  // without its '?'
                    .ca_file = service.ca_file,
                    .patience = kFar};
  if (by != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const HttpAddress address, HttpAddress::Parse(service.endpoint));
    TextPairs headers = question.headers;
    headers.emplace_back("host", address.host_header());
    const TextPairs no_query;
    AddSignatureV4({"POST", "/", no_query, headers, Sha256Hex(question.body)}, *by, service.region,
                   "sts", clock->NowMicros(), &headers);
    std::erase_if(headers, [](const auto& header) { return header.first == "host"; });
    question.headers = std::move(headers);
  }
  const std::string what = "cannot take the role '" + role.arn + "'";
  const Result<std::string> answer = Ask(question);
  if (!answer.ok()) return Explain(answer.status(), what);
  Result<S3Credentials> credentials = FromXml(*answer, action);
  if (!credentials.ok()) return Explain(credentials.status(), what);
  return credentials;
}

Result<std::string> OutputOf(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return Status::IOError("cannot start '", command, "'");
  std::string output;
  char block[4096];
  while (const size_t size = std::fread(block, 1, sizeof block, pipe)) {
    if (output.size() < kMaxAnswerBytes) output.append(block, size);
  }
  const int status = ::pclose(pipe);
  if (status != 0) return Status::IOError("'", command, "' failed (status ", status, ")");
  return output;
}

}  // namespace

std::string AmazonDomain(std::string_view region) {
  return region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
}

Result<S3Credentials> CredentialsOfWebIdentity(const TokenService& service, const Role& role,
                                               const std::string& token_file) {
  ARROW_ASSIGN_OR_RAISE(std::string token, LocalFileSystem()->ReadFile(token_file));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  return AskTokenService(service, "AssumeRoleWithWebIdentity", role,
                         {{"WebIdentityToken", std::move(token)}}, nullptr, nullptr);
}

Result<S3Credentials> CredentialsOfRole(const TokenService& service, const Role& role,
                                        const S3Credentials& by, const Clock* clock) {
  TextPairs arguments;
  if (!role.external_id.empty()) arguments.emplace_back("ExternalId", role.external_id);
  return AskTokenService(service, "AssumeRole", role, std::move(arguments), &by, clock);
}

Result<S3Credentials> CredentialsOfContainer(const std::string& url, const std::string& token) {
  Question question{.whose = "the container's credentials service", .url = url};
  if (!token.empty()) question.headers.emplace_back("authorization", token);
  ARROW_ASSIGN_OR_RAISE(const std::string answer, Ask(question));
  return FromJson(answer, "Token");
}

Result<S3Credentials> CredentialsOfInstance(const std::string& endpoint) {
  constexpr std::string_view kWhose = "the instance's metadata service";
  ARROW_ASSIGN_OR_RAISE(const std::string session,
                        Ask({.whose = kWhose,
                             .method = "PUT",
                             .url = endpoint + "/latest/api/token",
                             .headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}}}));
  const TextPairs headers = {{"x-aws-ec2-metadata-token", session}};
  const std::string url = endpoint + "/latest/meta-data/iam/security-credentials/";
  ARROW_ASSIGN_OR_RAISE(std::string role, Ask({.whose = kWhose, .url = url, .headers = headers}));
  role.resize(std::min(role.find('\n'), role.size()));
  ARROW_ASSIGN_OR_RAISE(
      const std::string answer,
      Ask({.whose = kWhose, .url = url + PercentEncode(role, false), .headers = headers}));
  return FromJson(answer, "Token");
}

Result<S3Credentials> CredentialsOfProcess(const std::string& command) {
  ARROW_ASSIGN_OR_RAISE(const std::string output, OutputOf(command));
  Result<S3Credentials> credentials = FromJson(output, "SessionToken");
  if (!credentials.ok()) return Explain(credentials.status(), "the output of '" + command + "'");
  return credentials;
}

}  // namespace tercet
