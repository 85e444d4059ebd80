#include "client/token_file.h"

#include <algorithm>

#include "base/file_system.h"

namespace tercet {
namespace {

/// Shorter ones can be guessed.
constexpr size_t kLeastCharacters = 16;

}  // namespace

Result<std::string> ReadTokenFile(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(std::string text, LocalFileSystem()->ReadFile(path));
  text.resize(std::min(text.size(), text.find_first_of("\r\n")));
  while (text.ends_with(' ') || text.ends_with('\t')) text.pop_back();
  if (text.size() < kLeastCharacters) {
    return Status::Invalid("token file '", path, "': its first line has ", text.size(),
                           " characters; a token has at least ", kLeastCharacters);
  }
  return text;
}

}  // namespace tercet
