# usearch::usearch: the header of USearch's HNSW graph (tools/setup.py).
set(Usearch_ROOT ${CMAKE_SOURCE_DIR}/.deps/usearch)
if(NOT EXISTS ${Usearch_ROOT}/include/usearch/index.hpp)
  message(FATAL_ERROR "USearch's header is not in ${Usearch_ROOT}: run ./dev setup")
endif()
add_library(usearch::usearch INTERFACE IMPORTED)
target_include_directories(usearch::usearch INTERFACE ${Usearch_ROOT}/include)
