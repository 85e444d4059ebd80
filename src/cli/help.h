#pragma once

#include <CLI/CLI.hpp>

namespace tercet {

/// Orders the commands in `tercet --help` by what they are for, and gives each examples of its own.
/// Called when all were added.
void ArrangeHelp(CLI::App* app);

}  // namespace tercet
