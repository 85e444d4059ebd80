#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tercet {

/// The value of an environment variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment ProcessEnvironment();

/// What may set something about Amazon's services, in the order in which it counts: options, the
/// environment, a profile of ~/.aws/credentials and ~/.aws/config.
class AwsSettings {
 public:
  using Section = std::map<std::string, std::string>;

  /// Reads the profile that the option "profile" or AWS_PROFILE names. IOError when a file can't be
  /// read; one that is not there is empty.
  static Result<AwsSettings> Read(Section options, const Environment& environment);

  /// The first of them that is there; variables that are empty are not.
  std::optional<std::string> Get(const std::string& option,
                                 const std::vector<std::string>& variables,
                                 const std::string& in_profile) const;
  /// "" when there is none.
  std::string Text(const std::string& option, const std::vector<std::string>& variables,
                   const std::string& in_profile) const;

  std::optional<std::string> Option(const std::string& name) const;
  std::optional<std::string> Variable(const std::string& name) const;

  const std::string& profile_name() const { return profile_name_; }
  const Section& profile() const { return profile_; }
  /// Another profile; empty when there is none of that name.
  Result<Section> ProfileOf(const std::string& name) const;

 private:
  AwsSettings(Section options, Environment environment)
      : options_(std::move(options)), environment_(std::move(environment)) {}

  Section options_;
  Environment environment_;
  std::string profile_name_;
  Section profile_;
};

/// The value of a name; "" when there is none.
std::string ValueOf(const AwsSettings::Section& section, const std::string& name);

}  // namespace tercet
