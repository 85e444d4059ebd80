#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// Runs a program with more environment, hands on what it prints (to stdout, and to `heard`), and
/// returns its exit code; 128 + the signal's number when a signal ended it. SIGINT and SIGTERM to
/// this process are handed on. IOError when it can't be started.
Result<int> RunProcess(const std::vector<std::string>& words,
                       const std::map<std::string, std::string>& environment,
                       const std::function<void(std::string_view)>& heard);

}  // namespace tercet
