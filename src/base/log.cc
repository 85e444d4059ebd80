#include "base/log.h"

#include <cstdlib>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace tercet {
namespace {

spdlog::level::level_enum LevelOf(std::string_view name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "info") return spdlog::level::info;
  if (name == "error") return spdlog::level::err;
  if (name == "off") return spdlog::level::off;
  return spdlog::level::warn;
}

spdlog::logger& Logger() {
  // Never destroyed: threads may log while the process exits.
  static spdlog::logger* logger = [] {
    auto* made =
        new spdlog::logger("tercet", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    const char* level = std::getenv("TERCET_LOG");
    made->set_level(LevelOf(level == nullptr ? "warn" : level));
    return made;
  }();
  return *logger;
}

}  // namespace

void LogInfo(std::string_view message) { Logger().info("{}", message); }
void LogWarn(std::string_view message) { Logger().warn("{}", message); }
void LogError(std::string_view message) { Logger().error("{}", message); }
void LogDebug(std::string_view message) { Logger().debug("{}", message); }

Status SetLogLevel(std::string_view level) {
  for (std::string_view known : {"debug", "info", "warn", "error", "off"}) {
    if (level == known) {
      Logger().set_level(LevelOf(level));
      return Status::OK();
    }
  }
  return Status::Invalid("log level '", level, "' must be debug, info, warn, error or off");
}

}  // namespace tercet
