#include "bucket/s3_settings.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/name.h"
#include "bucket/credential_chain.h"

namespace tercet {
namespace {

const std::vector<std::string> kOptions = {
    "access_key_id", "ca_file", "cache_bytes",       "endpoint",      "path_style",
    "profile",       "region",  "secret_access_key", "session_token", "skip_signature"};

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

Status CheckEndpoint(const std::string& endpoint) {
  const bool http = endpoint.starts_with("http://") || endpoint.starts_with("https://");
  const std::string host = http ? endpoint.substr(endpoint.find("://") + 3) : "";
  if (host.empty() || host.find('/') != std::string::npos || host.front() == ':') {
    return Status::Invalid(
        "the endpoint of an object store must be http://HOST[:PORT] or "
        "https://HOST[:PORT], not '",
        endpoint, "'");
  }
  return Status::OK();
}

}  // namespace

Result<S3Settings> S3Settings::From(const std::map<std::string, std::string>& options,
                                    const Environment& environment) {
  AwsSettings::Section given;
  for (const auto& [written, value] : options) {
    const std::string name = OptionName(written);
    if (name == "allow_http") continue;  // delta-rs asks for it; here the endpoint says as much
    if (std::find(kOptions.begin(), kOptions.end(), name) == kOptions.end()) {
      return Status::Invalid("there is no storage option '", written, "'", Suggest(name, kOptions));
    }
    given[name] = value;
  }
  ARROW_ASSIGN_OR_RAISE(const AwsSettings sources,
                        AwsSettings::Read(std::move(given), environment));

  S3Settings settings;
  settings.endpoint =
      sources.Text("endpoint", {"TERCET_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
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
      return Status::Invalid("storage option 'cache_bytes' must be a number of bytes, not '", *text,
                             "'");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const bool unsigned_requests,
                        BoolOf("skip_signature", sources.Text("skip_signature", {}, "")));
  if (unsigned_requests) return settings;
  ARROW_ASSIGN_OR_RAISE(settings.credentials,
                        FindCredentials(sources, settings.region, settings.ca_file));
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
