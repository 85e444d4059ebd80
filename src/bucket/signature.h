#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bucket/credentials.h"

namespace tercet {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

/// What of an HTTP request is signed. Header names are in lower case; path and query values are
/// not encoded yet.
struct RequestToSign {
  std::string_view method;
  std::string_view path;  ///< "/bucket/key"
  const TextPairs& query;
  const TextPairs& headers;  ///< with "host" and "x-amz-date"
  std::string_view payload_sha256;
};

/// The value of the Authorization header by AWS Signature Version 4 for a service of a region.
/// `time` is that of x-amz-date, "20130524T000000Z". Source: "Signature Version 4 signing process",
/// AWS General Reference; its published examples are the test.
std::string SignatureV4(const RequestToSign& request, const S3Credentials& credentials,
                        std::string_view region, std::string_view service, std::string_view time);

/// Signs a request as of `time_us`, microseconds since the epoch: adds to its headers x-amz-date,
/// x-amz-security-token where the credentials are temporary, and authorization. `headers` are those
/// that `request` refers to.
void AddSignatureV4(const RequestToSign& request, const S3Credentials& credentials,
                    std::string_view region, std::string_view service, int64_t time_us,
                    TextPairs* headers);

/// "20130524T000000Z" of microseconds since the epoch.
std::string SigningTime(int64_t time_us);

/// Percent-encodes all but the unreserved characters of RFC 3986, and '/' where it is to stay.
std::string PercentEncode(std::string_view text, bool keep_slash);

/// "?a=1&b=2", encoded and sorted as it is signed; "" for no query.
std::string QueryText(const TextPairs& query);

}  // namespace tercet
