#include "online/redis_address.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

constexpr int kUsualPort = 6379;

Status Wrong(std::string_view why) {
  return Status::Invalid(
      "the online store's address must be "
      "redis[s]://[[USER][:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][/DATABASE][?stale=SECONDS]: ",
      why);
}

/// The part of `rest` before the first of `ends`; `rest` becomes what comes from there on.
std::string_view TakeUntil(std::string_view ends, std::string_view* rest) {
  const std::string_view part = rest->substr(0, rest->find_first_of(ends));
  rest->remove_prefix(part.size());
  return part;
}

bool ReadNumber(std::string_view text, int* value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && at == end && *value >= 0;
}

/// %XX as the byte that it stands for.
Result<std::string> Decode(std::string_view text, std::string_view what) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain.push_back(text[i]);
      continue;
    }
    unsigned byte = 0;
    const char* const begin = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(begin, begin + 2, byte, 16).ptr != begin + 2) {
      return Wrong("its " + std::string(what) + " has a '%' that is not followed by two "
                   "hexadecimal digits; '%' itself is %25");
    }
    plain.push_back(static_cast<char>(byte));
    i += 2;
  }
  return plain;
}

struct Place {
  std::string host;
  int port = kUsualPort;
};

/// "host", "host:port" or "[::1]:port".
Result<Place> ReadPlace(std::string_view text) {
  Place place;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const size_t close = rest.find(']');
    if (close == std::string_view::npos) return Wrong("a host begins with '[' and has no ']'");
    place.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    place.host = TakeUntil(":", &rest);
  }
  if (place.host.empty()) return Wrong("a host is missing");
  if (rest.empty()) return place;
  if (rest.front() != ':' || !ReadNumber(rest.substr(1), &place.port) || place.port == 0 ||
      place.port > 65535) {
    return Wrong("'" + ShortText(rest, 40) + "' behind a host is no port");
  }
  return place;
}

Status ReadSettings(std::string_view text, RedisAddress* address) {
  TlsSettings files;
  const std::map<std::string, std::string*, std::less<>> texts = {
      {"ca", &files.ca_file},
      {"cert", &files.certificate_file},
      {"key", &files.key_file},
      {"name", &files.server_name}};
  bool of_tls = false;
  while (!text.empty()) {
    text.remove_prefix(1);  // the '?' or '&' before it
    std::string_view value = TakeUntil("&", &text);
    const std::string name(TakeUntil("=", &value));
    if (!value.empty()) value.remove_prefix(1);
    if (name == "stale") {
      if (!ReadNumber(value, &address->stale_seconds)) {
        return Wrong("'stale' is a number of seconds");
      }
      continue;
    }
    const auto found = texts.find(name);
    if (found == texts.end()) {
      return Wrong("it has no setting '" + ShortText(name, 40) + "'" +
                   Suggest(name, {"stale", "ca", "cert", "key", "name"}));
    }
    of_tls = true;
    ARROW_ASSIGN_OR_RAISE(*found->second, Decode(value, name));
  }
  if (files.certificate_file.empty() != files.key_file.empty()) {
    return Wrong("'cert' and 'key' come together");
  }
  if (!address->tls) {
    return of_tls ? Wrong("'ca', 'cert', 'key' and 'name' are for rediss://") : Status::OK();
  }
  files.advice = "; '?ca=' of its address may name a file of certificates to trust, and '&name=' "
                 "the name that they are for";
  address->tls = std::move(files);
  return Status::OK();
}

}  // namespace

Result<RedisAddress> RedisAddress::Parse(const std::string& url) {
  RedisAddress address;
  std::string_view rest = url;
  if (rest.starts_with("rediss://")) {
    address.tls.emplace();
  } else if (!rest.starts_with("redis://")) {
    return Wrong("it begins with redis:// or rediss://");
  }
  rest.remove_prefix(rest.find("//") + 2);
  // A password may have all that an address may, but for '@' in what follows it.
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    std::string_view secret = rest.substr(0, at);
    ARROW_ASSIGN_OR_RAISE(address.user, Decode(TakeUntil(":", &secret), "user"));
    if (secret.size() < 2) return Wrong("a user needs a password");
    ARROW_ASSIGN_OR_RAISE(address.password, Decode(secret.substr(1), "password"));
    rest.remove_prefix(at + 1);
  }
  std::string_view hosts = TakeUntil("/?", &rest);
  bool first = true;
  do {
    ARROW_ASSIGN_OR_RAISE(const Place place, ReadPlace(TakeUntil(",", &hosts)));
    if (first) {
      address.host = place.host;
      address.port = place.port;
    } else {
      address.others.push_back(place.host + ":" + std::to_string(place.port));
    }
    first = false;
    if (hosts.empty()) break;
    hosts.remove_prefix(1);
  } while (true);
  if (rest.starts_with('/')) {
    rest.remove_prefix(1);
    const std::string_view database = TakeUntil("?", &rest);
    if (!database.empty() && !ReadNumber(database, &address.database)) {
      return Wrong("the database behind '/' is a number");
    }
  }
  ARROW_RETURN_NOT_OK(ReadSettings(rest, &address));
  return address;
}

}  // namespace tercet
