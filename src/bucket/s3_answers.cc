#include "bucket/s3_answers.h"

#include <charconv>
#include <ctime>

#include "base/time_text.h"
#include "bucket/xml_text.h"

namespace tercet {
namespace {

Result<int64_t> SizeOf(std::string_view text) {
  int64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || size < 0) {
    return Status::Invalid("'", text, "' is no size");
  }
  return size;
}

}  // namespace

StoreError StoreErrorOf(const HttpResponse& response) {
  const Result<XmlElement> root = ParseXml(response.body);
  if (!root.ok() || root->name != "Error") return {};
  return {.code = root->TextOf("Code"), .message = root->TextOf("Message")};
}

bool IsPassing(const HttpResponse& response) {
  switch (response.status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    case 400:  // the connection was idle for too long in the middle of a body
      return StoreErrorOf(response).code == "RequestTimeout";
    default:
      return false;
  }
}

bool HasExpired(const HttpResponse& response) {
  if (response.status != 400 && response.status != 403) return false;
  return response.body.empty() ? response.status == 400
                               : StoreErrorOf(response).code == "ExpiredToken";
}

int64_t HttpTime(const std::string& text) {
  std::tm utc{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  if (end == nullptr || *end != '\0') return 0;
  return static_cast<int64_t>(::timegm(&utc)) * 1'000'000;
}

Result<ObjectInfo> ObjectOf(const std::string& key, const HttpResponse& response) {
  ObjectInfo info{.key = key,
                  .size_bytes = 0,
                  .modified_us = HttpTime(response.Header("last-modified")),
                  .etag = response.Header("etag")};
  // "bytes 0-9/443": of a part, the whole's size is behind the slash.
  const std::string range = response.Header("content-range");
  const size_t slash = range.find('/');
  const std::string size = slash == std::string::npos ? response.Header("content-length")
                                                      : range.substr(slash + 1);
  ARROW_ASSIGN_OR_RAISE(info.size_bytes, SizeOf(size));
  return info;
}

Result<std::string> ReadListing(std::string_view xml, ObjectListing* listing) {
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, ParseXml(xml));
  if (root.name != "ListBucketResult") {
    return Status::Invalid("a listing is expected, not <", root.name, ">");
  }
  for (const XmlElement& element : root.children) {
    if (element.name == "CommonPrefixes") listing->prefixes.push_back(element.TextOf("Prefix"));
    if (element.name != "Contents") continue;
    ObjectInfo info{.key = element.TextOf("Key"),
                    .size_bytes = 0,
                    .modified_us = 0,
                    .etag = element.TextOf("ETag")};
    ARROW_ASSIGN_OR_RAISE(info.size_bytes, SizeOf(element.TextOf("Size")));
    const Result<int64_t> modified_us = ParseTime(element.TextOf("LastModified"));
    if (modified_us.ok()) info.modified_us = *modified_us;
    listing->objects.push_back(std::move(info));
  }
  if (root.TextOf("IsTruncated") != "true") return "";
  const std::string next = root.TextOf("NextContinuationToken");
  if (next.empty()) return Status::Invalid("the listing goes on, but does not say where");
  return next;
}

}  // namespace tercet
