#include "bucket/aws_settings.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/file_system.h"

namespace tercet {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

/// The settings of one section of a file of ~/.aws; empty when there is no such file or section.
Result<AwsSettings::Section> ReadSection(const std::string& path,
                                         const std::vector<std::string>& names) {
  AwsSettings::Section section;
  const Result<std::string> read = LocalFileSystem()->ReadFile(path);
  if (read.status().IsKeyError()) return section;
  ARROW_ASSIGN_OR_RAISE(const std::string text, read);
  bool inside = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view whole(text.data() + begin, end - begin);
    begin = end + 1;
    const std::string_view line = Trim(whole);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::string_view name = Trim(line.substr(1, line.find(']') - 1));
      inside = std::find(names.begin(), names.end(), name) != names.end();
      continue;
    }
    const size_t equals = line.find('=');
    // An indented line belongs to a nested setting ("s3 =") of the one before.
    if (!inside || equals == std::string_view::npos || whole.front() == ' ') continue;
    section[std::string(Trim(line.substr(0, equals)))] = Trim(line.substr(equals + 1));
  }
  return section;
}

std::optional<std::string> Find(const AwsSettings::Section& section, const std::string& name) {
  const auto found = section.find(name);
  if (found == section.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::string ValueOf(const AwsSettings::Section& section, const std::string& name) {
  return Find(section, name).value_or("");
}

Result<AwsSettings> AwsSettings::Read(Section options, const Environment& environment) {
  AwsSettings settings(std::move(options), environment);
  settings.profile_name_ = settings.Get("profile", {"AWS_PROFILE"}, "").value_or("default");
  ARROW_ASSIGN_OR_RAISE(settings.profile_, settings.ProfileOf(settings.profile_name_));
  return settings;
}

Result<AwsSettings::Section> AwsSettings::ProfileOf(const std::string& name) const {
  const std::string home = environment_("HOME").value_or("");
  const std::string credentials =
      environment_("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials");
  const std::string config = environment_("AWS_CONFIG_FILE").value_or(home + "/.aws/config");
  ARROW_ASSIGN_OR_RAISE(Section section, ReadSection(credentials, {name}));
  ARROW_ASSIGN_OR_RAISE(Section others, ReadSection(config, {"profile " + name, name}));
  section.merge(others);
  return section;
}

std::optional<std::string> AwsSettings::Option(const std::string& name) const {
  return Find(options_, name);
}

std::optional<std::string> AwsSettings::Variable(const std::string& name) const {
  std::optional<std::string> value = environment_(name);
  if (value && value->empty()) value.reset();
  return value;
}

std::optional<std::string> AwsSettings::Get(const std::string& option,
                                            const std::vector<std::string>& variables,
                                            const std::string& in_profile) const {
  if (auto given = Option(option)) return given;
  for (const std::string& variable : variables) {
    if (auto value = Variable(variable)) return value;
  }
  return Find(profile_, in_profile);
}

std::string AwsSettings::Text(const std::string& option, const std::vector<std::string>& variables,
                              const std::string& in_profile) const {
  return Get(option, variables, in_profile).value_or("");
}

}  // namespace tercet
