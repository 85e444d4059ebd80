# Imported target OnnxRuntime::onnxruntime: the library of the onnxruntime wheel under a
# private name, with Debian's headers (tools/setup.py).
set(OnnxRuntimeWheel_ROOT ${CMAKE_SOURCE_DIR}/.deps/onnxruntime)

find_path(OnnxRuntimeWheel_INCLUDE_DIR onnxruntime_cxx_api.h
          HINTS ${OnnxRuntimeWheel_ROOT}/include/onnxruntime NO_DEFAULT_PATH)
find_package_handle_standard_args(OnnxRuntimeWheel REQUIRED_VARS OnnxRuntimeWheel_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "run ./dev setup")

if(OnnxRuntimeWheel_FOUND AND NOT TARGET OnnxRuntime::onnxruntime)
  add_library(OnnxRuntime::onnxruntime SHARED IMPORTED)
  set_target_properties(OnnxRuntime::onnxruntime PROPERTIES
    IMPORTED_LOCATION ${OnnxRuntimeWheel_ROOT}/lib/libtercet_onnxruntime.so.1
    IMPORTED_SONAME libtercet_onnxruntime.so.1
    INTERFACE_INCLUDE_DIRECTORIES ${OnnxRuntimeWheel_INCLUDE_DIR})
endif()
