#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bucket/http_connection.h"
#include "bucket/s3_settings.h"
#include "bucket/signature.h"

namespace tercet {

/// What a store says of an object.
struct ObjectInfo {
  std::string key;
  int64_t size_bytes = 0;
  int64_t modified_us = 0;  ///< by the store's clock, in whole seconds
  std::string etag;         ///< changes with the content; its form is the store's own
};

/// Part of an object.
struct ObjectPart {
  ObjectInfo whole;
  std::string bytes;
};

/// What a folder-like listing gives.
struct ObjectListing {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> prefixes;  ///< "folders": with the delimiter at their end
};

/// The requests to one bucket of an S3-compatible store. Each is repeated with growing, random
/// pauses when the store is busy (429, 503 and its like), can't be reached, or breaks off; for half
/// a minute at most. Errors are IOErrors that name the object and say what the store said; KeyError
/// where an object does not exist. Thread-safe.
class S3Client {
 public:
  S3Client(S3Settings settings, std::string bucket, const Clock* clock);

  const std::string& bucket() const { return bucket_; }

  Result<ObjectInfo> Head(const std::string& key);
  /// Bytes [begin, begin + size) or as many of them as there are. With an `etag`, IOError when the
  /// object is another by now.
  Result<ObjectPart> Get(const std::string& key, int64_t begin, int64_t size,
                         const std::string& etag = "");
  /// The whole object.
  Result<ObjectPart> GetAll(const std::string& key);
  /// Writes the object, whether there is one or not.
  Status Put(const std::string& key, std::string_view bytes);
  /// Writes it if there is none of that key: AlreadyExists otherwise, unless what is there are
  /// these very bytes and an answer of ours was lost before. The error is marked by
  /// WithUnknownOutcome when nobody can tell whether the object was written.
  Status PutIfAbsent(const std::string& key, std::string_view bytes);
  /// Writes a large object in parts that are sent at once.
  Status PutInParts(const std::string& key, std::string_view bytes);
  /// OK when there is none.
  Status Delete(const std::string& key);
  /// All objects whose keys begin with `prefix`, in the order of their keys. With a delimiter those
  /// that have it after the prefix are given as prefixes.
  Result<ObjectListing> List(const std::string& prefix, const std::string& delimiter);

  /// "s3://bucket/key", for messages.
  std::string NameOf(const std::string& key) const;

 private:
  struct Request;
  /// One attempt; a second one where the credentials have expired before their time. `sent`:
  /// whether the store may have got it.
  Result<HttpResponse> SendOnce(const Request& request, bool* sent);
  /// Signed as of now; null: not signed.
  Result<HttpResponse> SendAs(const S3Credentials* as, const Request& request, bool* sent);
  /// With repetitions: the first answer that is not a passing trouble, whatever it says. `check`
  /// may find an answer damaged, which is then asked for again.
  Result<HttpResponse> Send(const Request& request,
                            const std::function<Status(const HttpResponse&)>& check = {});
  Status ErrorOf(const HttpResponse& response, std::string_view verb,
                 const std::string& key) const;
  Status UploadParts(const std::string& key, const std::string& upload, std::string_view bytes);
  Status ReadBack(const std::string& key, std::string_view bytes, const Status& problem);

  const S3Settings settings_;
  const std::string bucket_;
  const Clock* const clock_;
  const HttpAddress address_;
  HttpConnections connections_;
};

/// Calls `task(i)` for i in [0, count) on threads of its own, since they wait for a network and not
/// for a core; the failure of the lowest i that failed.
Status InParallel(int64_t count, const std::function<Status(int64_t)>& task);

}  // namespace tercet
