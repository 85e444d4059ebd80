#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bucket/http_connection.h"
#include "bucket/s3_client.h"

namespace tercet {

/// What the XML of an error says; the code is "" when there is none (an answer to HEAD).
struct StoreError {
  std::string code;     ///< "NoSuchKey"
  std::string message;
};
StoreError StoreErrorOf(const HttpResponse& response);

/// A trouble that passes: a busy store, or one in the middle of something.
bool IsPassing(const HttpResponse& response);

/// A refusal of temporary credentials whose time is over. An answer to HEAD has no body that says
/// so.
bool HasExpired(const HttpResponse& response);

/// "Wed, 21 Oct 2015 07:28:00 GMT" in microseconds since the epoch; 0 when it is none.
int64_t HttpTime(const std::string& text);

/// What the headers of an answer to GET or HEAD say of an object. Invalid when its size is not
/// among them.
Result<ObjectInfo> ObjectOf(const std::string& key, const HttpResponse& response);

/// One page of a listing, added to `listing`; where the next begins, or "" at the end. Invalid when
/// the answer is none.
Result<std::string> ReadListing(std::string_view xml, ObjectListing* listing);

}  // namespace tercet
