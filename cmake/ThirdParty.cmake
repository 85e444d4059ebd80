# Third-party libraries, and which room may link which: one table.
include(FindPackageHandleStandardArgs)
find_package(ArrowWheel REQUIRED)
find_package(OnnxRuntimeWheel REQUIRED)
find_package(DuckDb REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json system url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(RocksDB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)

# Libraries that come without a CMake package.
function(tercet_plain_library target library)
  add_library(${target} INTERFACE IMPORTED)
  target_link_libraries(${target} INTERFACE ${library})
endfunction()
tercet_plain_library(xxhash::xxhash xxhash)
tercet_plain_library(roaring::roaring roaring)
tercet_plain_library(hiredis::hiredis hiredis)
tercet_plain_library(geographic::geographic GeographicLib)
include(Re2)
include(Usearch)

# Opened at run time by what needs it (src/source), so only its header is asked for here.
find_path(LIBPQ_INCLUDE_DIR libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
add_library(libpq::headers INTERFACE IMPORTED)
target_include_directories(libpq::headers INTERFACE ${LIBPQ_INCLUDE_DIR})

# Links go on to the rooms above: what base links, every room may include.
set(TERCET_LINKS_base Arrow::arrow Arrow::compute Boost::json fmt::fmt spdlog::spdlog
                      xxhash::xxhash OpenSSL::Crypto Threads::Threads)
set(TERCET_LINKS_catalog SQLite::SQLite3)
set(TERCET_LINKS_source Arrow::parquet)
set(TERCET_LINKS_runtime OnnxRuntime::onnxruntime)
set(TERCET_LINKS_bucket Boost::headers)
set(TERCET_LINKS_offline Arrow::parquet roaring::roaring)
set(TERCET_LINKS_online RocksDB::rocksdb-shared hiredis::hiredis)
set(TERCET_LINKS_client Arrow::flight Boost::system Boost::url)
set(TERCET_LINKS_server Arrow::flight Boost::system Boost::url tercet_inference_proto)
set(TERCET_LINKS_cli CLI11::CLI11)

# What only the room itself may include.
set(TERCET_PRIVATE_LINKS_compute geographic::geographic re2::re2)
set(TERCET_PRIVATE_LINKS_neighbors usearch::usearch)
set(TERCET_PRIVATE_LINKS_source DuckDb::headers libpq::headers)
