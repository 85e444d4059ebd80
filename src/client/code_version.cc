#include "client/code_version.h"

#include <cstdio>
#include <optional>

namespace tercet {
namespace {

/// What a command prints; nullopt when it fails.
std::optional<std::string> OutputOf(const char* command) {
  std::FILE* pipe = ::popen(command, "re");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  char block[256];
  while (const size_t size = std::fread(block, 1, sizeof block, pipe)) output.append(block, size);
  if (::pclose(pipe) != 0) return std::nullopt;
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

}  // namespace

std::string CodeVersion() {
  const auto commit = OutputOf("git rev-parse HEAD 2>/dev/null");
  if (!commit) return "";
  const auto changes = OutputOf("git status --porcelain --untracked-files=no 2>/dev/null");
  return *commit + (changes && changes->empty() ? "" : "+changes");
}

}  // namespace tercet
