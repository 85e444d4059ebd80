# How everything is compiled and linked.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# One flag for libraries and programs alike, not CMake's -fPIC and -fPIE: the precompiled
# header serves both only if their flags are equal.
add_compile_options(-fPIC -Wall -Wextra)

# A designated initializer leaves the rest to its defaults: that is what it is for.
add_compile_options(-Wno-missing-field-initializers)

# Batch and online must agree bit for bit, so no multiply-add may be fused in one and not
# in the other.
add_compile_options(-ffp-contract=off)

if(TERCET_SANITIZE STREQUAL "address")
  # One build for tests and fuzzers, so fuzzers' coverage is in all of it.
  add_compile_options(-fsanitize=address,undefined,fuzzer-no-link
                      -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  # Arrow's classes have their typeinfo in an uninstrumented library.
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=address,undefined)
elseif(TERCET_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(TERCET_SANITIZE)
  message(FATAL_ERROR "TERCET_SANITIZE is '${TERCET_SANITIZE}', not address or thread")
endif()

# Precompiled headers need the sloppiness; base_dir lets several clones share one cache.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--as-needed)
