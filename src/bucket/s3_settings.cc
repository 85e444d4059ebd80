#include "bucket/s3_settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "base/file_system.h"
#include "base/name.h"

namespace tercet {
namespace {

using Section = std::map<std::string, std::string>;

const std::vector<std::string> kOptions = {
    "access_key_id", "ca_file", "cache_bytes",    "endpoint",      "path_style",
    "profile",       "region",  "secret_access_key", "session_token", "skip_signature"};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

/// The settings of one section of a file of ~/.aws; empty when there is no such file or section.
Result<Section> ReadSection(const std::string& path, const std::vector<std::string>& names) {
  Section section;
  const Result<std::string> read = LocalFileSystem()->ReadFile(path);
  if (read.status().IsKeyError()) return section;
  ARROW_ASSIGN_OR_RAISE(const std::string text, read);
  bool inside = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view whole(text.data() + begin, end - begin);
    begin = end + 1;
    const std::string_view line = Trim(whole);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::string_view name = Trim(line.substr(1, line.find(']') - 1));
      inside = std::find(names.begin(), names.end(), name) != names.end();
      continue;
    }
    const size_t equals = line.find('=');
    // An indented line belongs to a nested setting ("s3 =") of the one before.
    if (!inside || equals == std::string_view::npos || whole.front() == ' ') continue;
    section[std::string(Trim(line.substr(0, equals)))] = Trim(line.substr(equals + 1));
  }
  return section;
}

/// Our name of an option that may be written as delta-rs has it.
std::string OptionName(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name.starts_with("aws_")) name = name.substr(4);
  if (name == "endpoint_url") return "endpoint";
  if (name == "default_region") return "region";
  return name;
}

Result<bool> BoolOf(const std::string& name, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0" || text.empty()) return false;
  return Status::Invalid("storage option '", name, "' must be \"true\" or \"false\", not '", text,
                         "'");
}

/// All that may set one setting, in the order in which they count.
class Sources {
 public:
  Sources(Section options, const Environment& environment)
      : options_(std::move(options)), environment_(environment) {}

  Status ReadProfile() {
    const std::string profile = Get("profile", {"AWS_PROFILE"}, "").value_or("default");
    const std::string home = environment_("HOME").value_or("");
    const std::string credentials =
        environment_("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials");
    const std::string config = environment_("AWS_CONFIG_FILE").value_or(home + "/.aws/config");
    ARROW_ASSIGN_OR_RAISE(profile_, ReadSection(config, {"profile " + profile, profile}));
    ARROW_ASSIGN_OR_RAISE(Section secrets, ReadSection(credentials, {profile}));
    secrets.merge(profile_);
    profile_ = std::move(secrets);
    return Status::OK();
  }

  std::optional<std::string> Get(const std::string& option,
                                 const std::vector<std::string>& variables,
                                 const std::string& in_profile) const {
    if (const auto found = options_.find(option); found != options_.end()) return found->second;
    for (const std::string& variable : variables) {
      const std::optional<std::string> value = environment_(variable);
      if (value && !value->empty()) return value;
    }
    const auto found = profile_.find(in_profile);
    if (found != profile_.end()) return found->second;
    return std::nullopt;
  }

  std::string Text(const std::string& option, const std::vector<std::string>& variables,
                   const std::string& in_profile) const {
    return Get(option, variables, in_profile).value_or("");
  }

 private:
  const Section options_;
  const Environment& environment_;
  Section profile_;
};

Status CheckEndpoint(const std::string& endpoint) {
  const bool http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
  const std::string host = http ? endpoint.substr(endpoint.find("://") + 3) : "";
  if (host.empty() || host.find('/') != std::string::npos || host.front() == ':') {
    return Status::Invalid("the endpoint of an object store must be http://HOST[:PORT] or "
                           "https://HOST[:PORT], not '", endpoint, "'");
  }
  return Status::OK();
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Result<S3Settings> S3Settings::From(const std::map<std::string, std::string>& options,
                                    const Environment& environment) {
  Section given;
  for (const auto& [written, value] : options) {
    const std::string name = OptionName(written);
    if (name == "allow_http") continue;  // delta-rs asks for it; here the endpoint says as much
    if (std::find(kOptions.begin(), kOptions.end(), name) == kOptions.end()) {
      return Status::Invalid("there is no storage option '", written, "'",
                             Suggest(name, kOptions));
    }
    given[name] = value;
  }
  Sources sources(std::move(given), environment);
  ARROW_RETURN_NOT_OK(sources.ReadProfile());

  S3Settings settings;
  settings.endpoint = sources.Text(
      "endpoint", {"TERCET_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
      "endpoint_url");
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  if (!settings.endpoint.empty()) ARROW_RETURN_NOT_OK(CheckEndpoint(settings.endpoint));
  settings.region =
      sources.Get("region", {"AWS_REGION", "AWS_DEFAULT_REGION"}, "region").value_or("us-east-1");
  settings.ca_file = sources.Text("ca_file", {"AWS_CA_BUNDLE"}, "ca_bundle");
  settings.path_style = !settings.endpoint.empty();
  if (const auto text = sources.Get("path_style", {}, "")) {
    ARROW_ASSIGN_OR_RAISE(settings.path_style, BoolOf("path_style", *text));
  }
  if (const auto text = sources.Get("cache_bytes", {"TERCET_S3_CACHE_BYTES"}, "")) {
    const auto parsed =
        std::from_chars(text->data(), text->data() + text->size(), settings.cache_bytes);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() ||
        settings.cache_bytes < 0) {
      return Status::Invalid("storage option 'cache_bytes' must be a number of bytes, not '",
                             *text, "'");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const bool unsigned_requests,
                        BoolOf("skip_signature", sources.Text("skip_signature", {}, "")));
  if (unsigned_requests) return settings;
  S3Credentials credentials{
      .access_key_id =
          sources.Text("access_key_id", {"AWS_ACCESS_KEY_ID"}, "aws_access_key_id"),
      .secret_access_key =
          sources.Text("secret_access_key", {"AWS_SECRET_ACCESS_KEY"}, "aws_secret_access_key"),
      .session_token =
          sources.Text("session_token", {"AWS_SESSION_TOKEN"}, "aws_session_token")};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return Status::Invalid("no credentials for the object store: set AWS_ACCESS_KEY_ID and "
                           "AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials");
  }
  settings.credentials = std::move(credentials);
  return settings;
}

Result<BucketLocation> BucketLocation::Parse(const std::string& location) {
  constexpr std::string_view kScheme = "s3://";
  const auto wrong = [&](std::string_view why) {
    return Status::Invalid("'", location, "' is no address in an object store: ", why,
                           "; write s3://BUCKET/PREFIX");
  };
  if (!location.starts_with(kScheme)) return wrong("it does not begin with s3://");
  const std::string_view rest = std::string_view(location).substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  BucketLocation parsed{.bucket = std::string(rest.substr(0, slash)), .prefix = {}};
  const bool named = std::all_of(parsed.bucket.begin(), parsed.bucket.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
  if (parsed.bucket.size() < 3 || parsed.bucket.size() > 63 || !named) {
    return wrong("'" + parsed.bucket + "' can't be a bucket's name");
  }
  std::string_view prefix = slash < rest.size() ? rest.substr(slash + 1) : std::string_view();
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  for (size_t begin = 0; begin < prefix.size();) {
    const size_t end = std::min(prefix.find('/', begin), prefix.size());
    const std::string_view part = prefix.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return wrong("its prefix has an odd part");
    if (std::any_of(part.begin(), part.end(), [](char c) { return c >= 0 && c < ' '; })) {
      return wrong("its prefix has a control character");
    }
    begin = end + 1;
  }
  parsed.prefix = prefix;
  return parsed;
}

std::string BucketLocation::ToText() const {
  return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix);
}

}  // namespace tercet
