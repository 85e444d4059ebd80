#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "bucket/credentials.h"

namespace tercet {

// The ways in which Amazon hands out temporary credentials, as "AWS SDKs and Tools Reference Guide:
// Standardized credential providers" describes them. Each asks once and waits some seconds at most.
// IOError where nobody answers or the answer is a refusal, which it then holds; Invalid where it
// can't be understood.

/// ".amazonaws.com", or what a region of its own has.
std::string AmazonDomain(std::string_view region);

/// The Security Token Service of a region.
struct TokenService {
  std::string endpoint;  ///< "https://host[:port]"
  std::string region;
  std::string ca_file;  ///< as in S3Settings
};

/// Whom to become.
struct Role {
  std::string arn;
  std::string session_name;
  std::string external_id;  ///< may be empty
};

/// sts:AssumeRoleWithWebIdentity with the token in a file, which is read anew each time, since
/// Kubernetes replaces it. What a service account of EKS has.
Result<S3Credentials> CredentialsOfWebIdentity(const TokenService& service, const Role& role,
                                               const std::string& token_file);

/// sts:AssumeRole, asked by somebody else's credentials.
Result<S3Credentials> CredentialsOfRole(const TokenService& service, const Role& role,
                                        const S3Credentials& by, const Clock* clock);

/// What ECS and the Pod Identity of EKS answer at a URL that they put into the environment. `token`
/// is the Authorization header; may be empty.
Result<S3Credentials> CredentialsOfContainer(const std::string& url, const std::string& token);

/// The role of an EC2 instance, from its metadata service, version 2. `endpoint`: "http://host".
Result<S3Credentials> CredentialsOfInstance(const std::string& endpoint);

/// What a program prints, as `credential_process` of a profile: JSON of version 1. It inherits our
/// standard error, where it may ask for something.
Result<S3Credentials> CredentialsOfProcess(const std::string& command);

}  // namespace tercet
