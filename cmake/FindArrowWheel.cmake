# Imported targets Arrow::arrow, Arrow::compute, Arrow::parquet, Arrow::acero, Arrow::dataset
# and Arrow::flight: the libraries of the pyarrow wheel under private names (tools/setup.py).
set(ArrowWheel_ROOT ${CMAKE_SOURCE_DIR}/.deps/arrow)
set(ArrowWheel_ABI 2600)

find_path(ArrowWheel_INCLUDE_DIR arrow/api.h HINTS ${ArrowWheel_ROOT}/include NO_DEFAULT_PATH)
find_package_handle_standard_args(ArrowWheel REQUIRED_VARS ArrowWheel_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "run ./dev setup")

function(arrow_wheel_library target file)
  add_library(Arrow::${target} SHARED IMPORTED)
  set_target_properties(Arrow::${target} PROPERTIES
    IMPORTED_LOCATION ${ArrowWheel_ROOT}/lib/libtercet_${file}.so.${ArrowWheel_ABI}
    IMPORTED_SONAME libtercet_${file}.so.${ArrowWheel_ABI}
    INTERFACE_INCLUDE_DIRECTORIES ${ArrowWheel_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

if(ArrowWheel_FOUND AND NOT TARGET Arrow::arrow)
  arrow_wheel_library(arrow arrow)
  arrow_wheel_library(compute arrow_compute Arrow::arrow)
  arrow_wheel_library(parquet parquet Arrow::arrow)
  arrow_wheel_library(acero arrow_acero Arrow::compute)
  arrow_wheel_library(dataset arrow_dataset Arrow::acero Arrow::parquet)
  arrow_wheel_library(flight arrow_flight Arrow::arrow)
endif()
