#include "source/duckdb_library.h"

#include <filesystem>
#include <string>
#include <vector>

#include <dlfcn.h>

namespace tercet {
namespace {

constexpr char kFileName[] = "libtercet_duckdb.so";

/// Folders beside what this code was loaded from: the Python module, or the program.
std::vector<std::string> Candidates() {
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
    files.push_back((home / "lib" / kFileName).string());
    files.push_back((home.parent_path() / "lib" / kFileName).string());
  }
  return files;
}

Result<const DuckDbLibrary*> Load() {
  void* handle = nullptr;
  std::string looked_for, problem;
  for (const std::string& file : Candidates()) {
    std::error_code ignored;
    looked_for += (looked_for.empty() ? "" : ", ") + file;
    if (!std::filesystem::exists(file, ignored)) continue;
    // Not global, so that a DuckDB of the user's in the same process keeps its own symbols.
    handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    problem = std::string(": ") + ::dlerror();
  }
  if (handle == nullptr) {
    return Status::IOError("SQL needs DuckDB's library, which could not be opened", problem,
                           " (looked for ", looked_for, "); install Tercet again");
  }
  static DuckDbLibrary library;
#define TERCET_DUCKDB_FIND(name)                                                              \
  library.name =                                                                              \
      reinterpret_cast<decltype(library.name)>(::dlsym(handle, "duckdb_" #name));             \
  if (library.name == nullptr) {                                                              \
    return Status::IOError("DuckDB's library has no function duckdb_" #name                   \
                           ": it is of another version; install Tercet again");              \
  }
  TERCET_DUCKDB_FUNCTIONS(TERCET_DUCKDB_FIND)
#undef TERCET_DUCKDB_FIND
  return &library;
}

}  // namespace

Result<const DuckDbLibrary*> DuckDbLibrary::Get() {
  static const Result<const DuckDbLibrary*> library = Load();
  return library;
}

}  // namespace tercet
