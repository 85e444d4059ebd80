# Imported target DuckDb::headers, and DuckDb_LIBRARY: the official library under a private name
# (tools/setup.py). Nothing links it: src/source opens it at the first query, so that a process
# without SQL does not carry its 60 MB.
set(DuckDb_ROOT ${CMAKE_SOURCE_DIR}/.deps/duckdb)

find_path(DuckDb_INCLUDE_DIR duckdb.h HINTS ${DuckDb_ROOT}/include NO_DEFAULT_PATH)
find_file(DuckDb_LIBRARY libtercet_duckdb.so HINTS ${DuckDb_ROOT}/lib NO_DEFAULT_PATH)
find_package_handle_standard_args(DuckDb REQUIRED_VARS DuckDb_INCLUDE_DIR DuckDb_LIBRARY
                                  REASON_FAILURE_MESSAGE "run ./dev setup")

if(DuckDb_FOUND AND NOT TARGET DuckDb::headers)
  add_library(DuckDb::headers INTERFACE IMPORTED)
  target_include_directories(DuckDb::headers INTERFACE ${DuckDb_INCLUDE_DIR})
  # Where the programs of the build look for it: lib/ beside them, or beside their folder.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  file(CREATE_LINK ${DuckDb_LIBRARY} ${CMAKE_BINARY_DIR}/lib/libtercet_duckdb.so SYMBOLIC)
endif()
