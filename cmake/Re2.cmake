# re2::re2: RE2 compiled from Debian's source (tools/setup.py) under a namespace of our own. Arrow's
# libraries export the symbols of another RE2, which those of the packaged library would mix with;
# and the package's archive can't be linked into a Python module.
set(Re2_ROOT ${CMAKE_SOURCE_DIR}/.deps/re2)
if(NOT EXISTS ${Re2_ROOT}/re2/re2.h)
  message(FATAL_ERROR "RE2's source is not in ${Re2_ROOT}: run ./dev setup")
endif()
file(GLOB Re2_SOURCES ${Re2_ROOT}/re2/*.cc)
file(GLOB Re2_TABLES ${Re2_ROOT}/*.o)
add_library(tercet_re2 STATIC ${Re2_SOURCES} ${Re2_TABLES} ${Re2_ROOT}/util/rune.cc
            ${Re2_ROOT}/util/strutil.cc)
target_compile_definitions(tercet_re2 PRIVATE re2=tercet_re2)
target_compile_options(tercet_re2 PRIVATE -w)
target_include_directories(tercet_re2 PRIVATE ${Re2_ROOT})
add_library(re2::re2 INTERFACE IMPORTED)
target_include_directories(re2::re2 INTERFACE ${Re2_ROOT})
target_link_libraries(re2::re2 INTERFACE tercet_re2)
