#include "base/private_library.h"

#include <filesystem>
#include <vector>

#include <dlfcn.h>

#include "base/sanitized.h"

namespace tercet {
namespace {

/// Files beside what this code was loaded from: the Python module, or the program.
std::vector<std::string> Candidates(const std::string& file_name) {
  std::vector<std::filesystem::path> homes;
  std::error_code ignored;  // a path that can't be resolved holds no library either
  Dl_info self;
  if (::dladdr(reinterpret_cast<void*>(&Candidates), &self) != 0 && self.dli_fname != nullptr) {
    homes.push_back(std::filesystem::canonical(self.dli_fname, ignored).parent_path());
  }
  homes.push_back(std::filesystem::canonical("/proc/self/exe", ignored).parent_path());
  std::vector<std::string> files;
  for (const auto& home : homes) {
    if (home.empty()) continue;
    files.push_back((home / "lib" / file_name).string());
    files.push_back((home.parent_path() / "lib" / file_name).string());
  }
  return files;
}

}  // namespace

Result<void*> OpenPrivateLibrary(const std::string& file_name, std::string_view purpose) {
  std::string looked_for, problem;
  for (const std::string& file : Candidates(file_name)) {
    std::error_code ignored;
    looked_for += (looked_for.empty() ? "" : ", ") + file;
    if (!std::filesystem::exists(file, ignored)) continue;
    // Not global, so that a copy of the user's in the same process keeps its own symbols.
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return library;
    problem = std::string(": ") + ::dlerror();
  }
  return Status::IOError(purpose, ", which could not be opened", problem, " (looked for ",
                         looked_for, "); install Tercet again");
}

Result<void*> OpenSystemLibrary(const std::string& file_name, std::string_view purpose,
                                std::string_view package) {
  int flags = RTLD_NOW | RTLD_LOCAL;
#ifndef TERCET_SANITIZED
  // It finds its own OpenSSL before the parts of another that Arrow's libraries export. The
  // sanitizers' runtimes know no such order.
  flags |= RTLD_DEEPBIND;
#endif
  void* library = ::dlopen(file_name.c_str(), flags);
  if (library != nullptr) return library;
  return Status::IOError(purpose, ", which could not be opened: ", ::dlerror(), "; install it (",
                         package, " in Debian)");
}

Result<void*> FindFunction(void* library, const std::string& name, std::string_view purpose) {
  void* function = ::dlsym(library, name.c_str());
  if (function != nullptr) return function;
  return Status::IOError(purpose, ", which has no function ", name,
                         ": it is of another version; install Tercet again");
}

}  // namespace tercet
