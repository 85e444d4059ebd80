#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "bucket/aws_settings.h"
#include "bucket/credentials.h"

namespace tercet {

/// Who asks, the first of
///  1. keys among the options, or in the environment (AWS_ACCESS_KEY_ID …);
///  2. a web identity (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: a service account of EKS);
///  3. the profile: a role_arn to take (by web_identity_token_file, source_profile or
///     credential_source), keys, or a credential_process;
///  4. a container (AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI: ECS, Pod Identity of
///  EKS);
///  5. the role of an EC2 instance, unless AWS_EC2_METADATA_DISABLED is "true".
///
/// What is temporary is fetched once, so that what is wrong is said here. Invalid when there are
/// none, or a setting can't be understood; IOError when they can't be fetched. `ca_file` as in
/// S3Settings.
Result<std::shared_ptr<CredentialsSource>> FindCredentials(const AwsSettings& settings,
                                                           const std::string& region,
                                                           const std::string& ca_file);

}  // namespace tercet
