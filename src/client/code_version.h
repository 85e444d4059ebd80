#pragma once

#include <string>

namespace tercet {

/// The git commit of the working directory, with "+changes" when tracked files differ from it;
/// empty outside of git, or where there is no git. What a run records, whichever door began it.
std::string CodeVersion();

}  // namespace tercet
