#include <cstddef>
#include <cstdint>
#include <string_view>

#include "catalog/search_query.h"

/// Any text is a query or an error, and its quotes are even: no word of it is FTS5's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto query =
      tercet::SearchQuery::Parse({reinterpret_cast<const char*>(data), size});
  if (!query.ok()) return 0;
  size_t quotes = 0;
  for (const char c : query->match) quotes += c == '"' ? 1 : 0;
  if (quotes % 2 != 0) __builtin_trap();
  return 0;
}
