#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "bucket/aws_settings.h"
#include "bucket/credentials.h"

namespace tercet {

/// Where an object store is and who asks it. Each setting is the first of: an option; the
/// environment (AWS_…); the profile in ~/.aws/credentials and ~/.aws/config.
///
/// | option                             | environment                                         |
/// |------------------------------------|-----------------------------------------------------|
/// | endpoint                           | TERCET_S3_ENDPOINT, AWS_ENDPOINT_URL_S3,            |
/// |                                    | AWS_ENDPOINT_URL                                    |
/// | region                             | AWS_REGION, AWS_DEFAULT_REGION                      |
/// | access_key_id, secret_access_key,  | AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,           |
/// | session_token                      | AWS_SESSION_TOKEN                                   |
/// | profile                            | AWS_PROFILE                                         |
/// | path_style ("true", "false")       | by default true for an endpoint of one's own        |
/// | skip_signature ("true")            | requests of nobody, for public buckets              |
/// | ca_file                            | AWS_CA_BUNDLE                                       |
/// | cache_bytes                        | TERCET_S3_CACHE_BYTES                               |
///
/// Without keys credentials are looked for where Amazon's own programs find them
/// (bucket/credential_chain.h).
struct S3Settings {
  std::string endpoint;  ///< "https://host[:port]"; empty: Amazon's of the region
  std::string region;
  std::shared_ptr<CredentialsSource> credentials;  ///< null: requests are not signed
  bool path_style = false;                  ///< the bucket in the path and not in the host's name
  std::string ca_file;                      ///< PEM certificates to trust; empty: the system's
  int64_t cache_bytes = int64_t{10} << 30;  ///< of files kept on the local disk

  /// Option names may be written as delta-rs has them ("AWS_ENDPOINT_URL"). Invalid for an unknown
  /// option, a value that can't be understood, or when no credentials are found; IOError where they
  /// can't be fetched.
  static Result<S3Settings> From(const std::map<std::string, std::string>& options,
                                 const Environment& environment);
};

/// A bucket and the prefix in it: "s3://bucket/some/prefix".
struct BucketLocation {
  std::string bucket;
  std::string prefix;  ///< without '/' at either end; may be empty

  /// Invalid when it is no such address.
  static Result<BucketLocation> Parse(const std::string& location);
  std::string ToText() const;  ///< in one form, whatever it was parsed from
};

}  // namespace tercet
