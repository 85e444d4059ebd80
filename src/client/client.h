#pragma once

#include <memory>
#include <string>

#include "platform/platform.h"

namespace tercet {

/// Opens a project wherever it is: a directory or "s3://bucket/prefix" in this process, or
/// "tercet://host:port/project" on a server (the port is the server's HTTP port; frames go over the
/// Flight port that it names). IOError when the server does not answer, Invalid for another scheme.
Result<std::shared_ptr<Platform>> OpenProject(const std::string& location,
                                              const PlatformOptions& options = {});

}  // namespace tercet
