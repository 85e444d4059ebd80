#include "bucket/s3_client.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/hash.h"
#include "bucket/credential_requests.h"
#include "bucket/s3_answers.h"
#include "bucket/xml_text.h"

namespace tercet {
namespace {

constexpr int kAttempts = 10;
constexpr int kUnreachedAttempts = 5;  // a wrong address should be told soon
constexpr int64_t kFirstPauseMs = 50, kLongestPauseMs = 5'000;
constexpr int64_t kMinPartBytes = 8 << 20;
constexpr int64_t kMaxParts = 9'000;  // the store's limit is 10,000
constexpr int64_t kThreads = 8;

/// Waits longer after each failure, by a random part, so that those who were turned away together
/// don't come back together.
void Pause(int attempt) {
  static thread_local std::mt19937 random{std::random_device{}()};
  const int64_t most = std::min(kLongestPauseMs, kFirstPauseMs << attempt);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::uniform_int_distribution<int64_t>(most / 2, most)(random)));
}

HttpAddress AddressOf(const S3Settings& settings, const std::string& bucket) {
  if (settings.endpoint.empty()) {
    HttpAddress address{.host = "s3." + settings.region + AmazonDomain(settings.region),
                        .port = "443",
                        .encrypted = true};
    if (!settings.path_style) address.host = bucket + "." + address.host;
    return address;
  }
  // S3Settings::From has checked it; a wrong port can't be reached and is told then.
  HttpAddress address = HttpAddress::Parse(settings.endpoint)
                            .ValueOr({.host = settings.endpoint, .port = "0", .encrypted = false});
  if (!settings.path_style) address.host = bucket + "." + address.host;
  return address;
}

}  // namespace

struct S3Client::Request {
  std::string_view method;
  std::string key;  ///< "" for the bucket itself
  TextPairs query = {};
  TextPairs headers = {};
  std::string_view body = {};
};

S3Client::S3Client(S3Settings settings, std::string bucket, const Clock* clock)
    : settings_(std::move(settings)),
      bucket_(std::move(bucket)),
      clock_(clock),
      address_(AddressOf(settings_, bucket_)),
      connections_(address_, settings_.ca_file) {}

std::string S3Client::NameOf(const std::string& key) const {
  return "s3://" + bucket_ + (key.empty() ? "" : "/" + key);
}

Result<HttpResponse> S3Client::SendOnce(const Request& request, bool* sent) {
  *sent = false;
  if (settings_.credentials == nullptr) return SendAs(nullptr, request, sent);
  const auto send = [&](S3Credentials* as) -> Result<HttpResponse> {
    ARROW_ASSIGN_OR_RAISE(*as, settings_.credentials->Get(clock_->NowMicros()));
    return SendAs(as, request, sent);
  };
  S3Credentials as;
  Result<HttpResponse> response = send(&as);
  // They may be withdrawn before their time.
  if (!response.ok() || !HasExpired(*response) || !settings_.credentials->Renew(as)) {
    return response;
  }
  return send(&as);
}

Result<HttpResponse> S3Client::SendAs(const S3Credentials* as, const Request& request, bool* sent) {
  const std::string path =
      (settings_.path_style ? "/" + bucket_ + (request.key.empty() ? "" : "/") : "/") + request.key;
  const std::string hash = Sha256Hex(request.body);
  TextPairs headers = request.headers;
  headers.emplace_back("host", address_.host_header());
  headers.emplace_back("x-amz-content-sha256", hash);
  if (as != nullptr) {
    AddSignatureV4({request.method, path, request.query, headers, hash}, *as, settings_.region,
                   "s3", clock_->NowMicros(), &headers);
  }
  std::string head =
      fmt::format("{} {}{} HTTP/1.1\r\n", request.method, PercentEncode(path, /*keep_slash=*/true),
                  QueryText(request.query));
  for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
  head += fmt::format("content-length: {}\r\n\r\n", request.body.size());
  return connections_.Send(head, request.body, request.method == "HEAD", sent);
}

Result<HttpResponse> S3Client::Send(const Request& request,
                                    const std::function<Status(const HttpResponse&)>& check) {
  Status problem;
  bool sent = true;
  for (int attempt = 0; attempt < (sent ? kAttempts : kUnreachedAttempts); ++attempt) {
    if (attempt > 0) Pause(attempt - 1);
    Result<HttpResponse> response = SendOnce(request, &sent);
    problem = response.status();
    if (response.ok() && IsPassing(*response)) {
      problem = ErrorOf(*response, "ask", request.key);
    } else if (response.ok() && check) {
      problem = check(*response);
    }
    if (problem.ok()) return response;
  }
  return problem;
}

Status S3Client::ErrorOf(const HttpResponse& response, std::string_view verb,
                         const std::string& key) const {
  const StoreError error = StoreErrorOf(response);
  const std::string said =
      fmt::format("{}{}{}", response.status, error.code.empty() ? "" : " " + error.code,
                  error.message.empty() ? "" : ": " + error.message);
  const auto failure = [&](std::string_view what) {
    return Status::IOError("cannot ", verb, " '", NameOf(key), "': ", what, " (", said, ")");
  };
  if (error.code == "NoSuchBucket") {
    return failure("there is no bucket '" + bucket_ + "' at " + address_.ToText());
  }
  if (error.code == "RequestTimeTooSkewed") {
    return failure("this machine's clock differs too much from the store's");
  }
  if (error.code == "ExpiredToken") return failure("the session token has expired");
  const std::string region = response.Header("x-amz-bucket-region");
  if (!region.empty() && region != settings_.region) {
    return failure("the bucket is in region '" + region + "', not '" + settings_.region +
                   "'; set AWS_REGION");
  }
  if (response.status == 401 || response.status == 403) {
    return failure(settings_.credentials
                       ? "access is denied; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
                         "what they may do"
                       : "access is denied without credentials");
  }
  if (response.status == 404) {
    return Status::KeyError("cannot ", verb, " '", NameOf(key), "': it does not exist");
  }
  return failure(IsPassing(response) ? "the store is busy or in trouble" : "the store refused");
}

Result<ObjectInfo> S3Client::Head(const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(const HttpResponse response, Send({.method = "HEAD", .key = key}));
  if (response.status != 200) return ErrorOf(response, "read", key);
  Result<ObjectInfo> info = ObjectOf(key, response);
  if (!info.ok()) return Status::IOError("'", NameOf(key), "': ", info.status().message());
  return info;
}

Result<ObjectPart> S3Client::Get(const std::string& key, int64_t begin, int64_t size,
                                 const std::string& etag) {
  TextPairs headers = {{"range", fmt::format("bytes={}-{}", begin, begin + size - 1)}};
  if (!etag.empty()) headers.emplace_back("if-match", etag);
  const auto whole = [&](const HttpResponse& response) -> Status {
    if (response.status != 200 && response.status != 206) return Status::OK();
    const Result<ObjectInfo> info = ObjectOf(key, response);
    if (!info.ok()) return Status::IOError("'", NameOf(key), "': ", info.status().message());
    const int64_t from = response.status == 206 ? begin : 0;
    const int64_t expected = response.status == 206
                                 ? std::min(size, std::max<int64_t>(0, info->size_bytes - from))
                                 : info->size_bytes;
    if (static_cast<int64_t>(response.body.size()) == expected) return Status::OK();
    return Status::IOError("'", NameOf(key), "' came cut off: ", response.body.size(),
                           " bytes instead of ", expected);
  };
  ARROW_ASSIGN_OR_RAISE(
      HttpResponse response,
      Send({.method = "GET", .key = key, .query = {}, .headers = std::move(headers)}, whole));
  // An object without bytes has no range.
  if (response.status == 416 && begin == 0) {
    ARROW_ASSIGN_OR_RAISE(ObjectInfo info, Head(key));
    if (info.size_bytes == 0) return ObjectPart{.whole = std::move(info), .bytes = {}};
  }
  if (response.status == 412) {
    return Status::IOError("cannot read '", NameOf(key), "': it was replaced meanwhile");
  }
  if (response.status != 200 && response.status != 206) return ErrorOf(response, "read", key);
  ObjectPart part;
  ARROW_ASSIGN_OR_RAISE(part.whole, ObjectOf(key, response));
  part.bytes = std::move(response.body);
  if (response.status == 200) {  // a store that knows no ranges
    part.bytes = part.bytes.substr(std::min<size_t>(begin, part.bytes.size()), size);
  }
  return part;
}

Result<ObjectPart> S3Client::GetAll(const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(ObjectPart object, Get(key, 0, kMinPartBytes));
  while (static_cast<int64_t>(object.bytes.size()) < object.whole.size_bytes) {
    const auto done = static_cast<int64_t>(object.bytes.size());
    ARROW_ASSIGN_OR_RAISE(const ObjectPart next, Get(key, done, kMinPartBytes, object.whole.etag));
    if (next.bytes.empty()) return Status::IOError("'", NameOf(key), "' ends before its end");
    object.bytes += next.bytes;
  }
  return object;
}

Status S3Client::Put(const std::string& key, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(
      const HttpResponse response,
      Send({.method = "PUT", .key = key, .query = {}, .headers = {}, .body = bytes}));
  return response.status == 200 ? Status::OK() : ErrorOf(response, "write", key);
}

Status S3Client::PutIfAbsent(const std::string& key, std::string_view bytes) {
  const Request request{
      .method = "PUT", .key = key, .query = {}, .headers = {{"if-none-match", "*"}}, .body = bytes};
  bool uncertain = false;  // whether an earlier attempt may have written the object
  bool sent = true;
  Status problem;
  for (int attempt = 0; attempt < (sent ? kAttempts : kUnreachedAttempts); ++attempt) {
    if (attempt > 0) Pause(attempt - 1);
    const Result<HttpResponse> response = SendOnce(request, &sent);
    problem = response.status();
    if (!response.ok() || IsPassing(*response)) {
      if (response.ok()) problem = ErrorOf(*response, "write", key);
      uncertain = uncertain || sent;
      continue;
    }
    if (response->status == 200) return Status::OK();
    const Status exists = Status::AlreadyExists("'", NameOf(key), "' exists");
    if (response->status == 412) return uncertain ? ReadBack(key, bytes, exists) : exists;
    problem = ErrorOf(*response, "write", key);
    // 409: another conditional request for the key is under way; how it ends is not known yet.
    if (response->status == 409) continue;
    if (response->status == 501) {
      return Status::NotImplemented("the object store has no conditional writes, which commits ",
                                    "need: ", problem.message());
    }
    break;
  }
  return uncertain ? ReadBack(key, bytes, WithUnknownOutcome(problem)) : problem;
}

/// Finds out how an uncertain write ended: OK when these bytes are there, AlreadyExists when others
/// are, `problem` when nothing is or nothing can be read.
Status S3Client::ReadBack(const std::string& key, std::string_view bytes, const Status& problem) {
  const Result<ObjectPart> found = GetAll(key);
  if (!found.ok()) return problem;
  if (found->bytes == bytes) return Status::OK();
  return Status::AlreadyExists("'", NameOf(key), "' exists");
}

Status S3Client::PutInParts(const std::string& key, std::string_view bytes) {
  if (static_cast<int64_t>(bytes.size()) <= 2 * kMinPartBytes) return Put(key, bytes);
  ARROW_ASSIGN_OR_RAISE(const HttpResponse begun,
                        Send({.method = "POST", .key = key, .query = {{"uploads", ""}}}));
  if (begun.status != 200) return ErrorOf(begun, "write", key);
  const Result<XmlElement> answer = ParseXml(begun.body);
  const std::string upload = answer.ok() ? answer->TextOf("UploadId") : "";
  if (upload.empty()) {
    return Status::IOError("cannot write '", NameOf(key), "': the store began no upload in parts");
  }
  const Status done = UploadParts(key, upload, bytes);
  if (!done.ok()) {
    // The failure that is returned counts; what this leaves, the bucket's rules clear away.
    (void)Send({.method = "DELETE", .key = key, .query = {{"uploadId", upload}}});
  }
  return done;
}

Status S3Client::UploadParts(const std::string& key, const std::string& upload,
                             std::string_view bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t part_bytes = std::max(kMinPartBytes, size / kMaxParts + 1);
  std::vector<std::string> etags((size + part_bytes - 1) / part_bytes);
  ARROW_RETURN_NOT_OK(InParallel(static_cast<int64_t>(etags.size()), [&](int64_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(
        const HttpResponse response,
        Send({.method = "PUT",
              .key = key,
              .query = {{"partNumber", std::to_string(i + 1)}, {"uploadId", upload}},
              .headers = {},
              .body = bytes.substr(i * part_bytes, part_bytes)}));
    if (response.status != 200) return ErrorOf(response, "write", key);
    etags[i] = response.Header("etag");
    return Status::OK();
  }));
  std::string parts = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i) {
    parts +=
        fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, etags[i]);
  }
  parts += "</CompleteMultipartUpload>";
  // It may answer 200 and say in the body, later, that it failed.
  const auto completed = [&](const HttpResponse& response) -> Status {
    const StoreError error = StoreErrorOf(response);
    if (response.status != 200 || error.code.empty()) return Status::OK();
    return Status::IOError("cannot write '", NameOf(key), "': ", error.code, ": ", error.message);
  };
  ARROW_ASSIGN_OR_RAISE(const HttpResponse response, Send({.method = "POST",
                                                           .key = key,
                                                           .query = {{"uploadId", upload}},
                                                           .headers = {},
                                                           .body = parts},
                                                          completed));
  if (response.status == 200) return Status::OK();
  // Repeated after a lost answer the upload is no longer known; then the object tells.
  if (response.status == 404) {
    const Result<ObjectInfo> info = Head(key);
    if (info.ok() && info->size_bytes == size) return Status::OK();
  }
  return ErrorOf(response, "write", key);
}

Status S3Client::Delete(const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(const HttpResponse response, Send({.method = "DELETE", .key = key}));
  if (response.status == 200 || response.status == 204) return Status::OK();
  const Status error = ErrorOf(response, "remove", key);
  return error.IsKeyError() ? Status::OK() : error;
}

Result<ObjectListing> S3Client::List(const std::string& prefix, const std::string& delimiter) {
  ObjectListing listing;
  std::string next;
  do {
    TextPairs query = {{"list-type", "2"}, {"prefix", prefix}};
    if (!delimiter.empty()) query.emplace_back("delimiter", delimiter);
    if (!next.empty()) query.emplace_back("continuation-token", next);
    const auto readable = [&](const HttpResponse& response) -> Status {
      if (response.status != 200) return Status::OK();
      ObjectListing scratch;
      const Status read = ReadListing(response.body, &scratch).status();
      return read.ok() ? read
                       : Status::IOError("cannot list '", NameOf(prefix), "': ", read.message());
    };
    ARROW_ASSIGN_OR_RAISE(const HttpResponse response,
                          Send({.method = "GET", .key = "", .query = std::move(query)}, readable));
    if (response.status != 200) {
      const Status error = ErrorOf(response, "list", prefix);
      return error.IsKeyError() ? Status::IOError(error.message()) : error;
    }
    ARROW_ASSIGN_OR_RAISE(next, ReadListing(response.body, &listing));
  } while (!next.empty());
  return listing;
}

Status InParallel(int64_t count, const std::function<Status(int64_t)>& task) {
  std::atomic<int64_t> next{0};
  std::vector<Status> results(count);
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) results[i] = task(i);
  };
  std::vector<std::thread> threads;
  for (int64_t i = 1; i < std::min(count, kThreads); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const Status& result : results) ARROW_RETURN_NOT_OK(result);
  return Status::OK();
}

}  // namespace tercet
