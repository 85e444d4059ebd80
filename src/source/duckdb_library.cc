#include "source/duckdb_library.h"

#include "base/private_library.h"

namespace tercet {
namespace {

constexpr std::string_view kPurpose = "SQL needs DuckDB's library";

Result<const DuckDbLibrary*> Load() {
  ARROW_ASSIGN_OR_RAISE(void* const handle, OpenPrivateLibrary("libtercet_duckdb.so", kPurpose));
  static DuckDbLibrary library;
  void* function = nullptr;
#define TERCET_DUCKDB_FIND(name)                                                              \
  ARROW_ASSIGN_OR_RAISE(function, FindFunction(handle, "duckdb_" #name, kPurpose));           \
  library.name = reinterpret_cast<decltype(library.name)>(function);
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
