# What is linked from the rooms: the binary, the Python package, benchmarks and tests across
# rooms. Each is skipped while its sources are not there.

# The whole product as one library to link: the highest room that exists.
set(TERCET_WHOLE tercet_base)
foreach(room catalog platform client server)
  if(TARGET tercet_${room})
    list(APPEND TERCET_WHOLE tercet_${room})
  endif()
endforeach()

if(EXISTS ${CMAKE_SOURCE_DIR}/src/main.cc AND TARGET tercet_cli)
  add_executable(tercet ${CMAKE_SOURCE_DIR}/src/main.cc)
  target_link_libraries(tercet PRIVATE tercet_cli)
  if(TARGET tercet_server)
    target_link_libraries(tercet PRIVATE tercet_server)
  endif()
  tercet_use_precompiled_header(tercet)
endif()

file(GLOB benchmarks CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/benchmarks/*.cc)
foreach(source ${benchmarks})
  get_filename_component(name ${source} NAME_WE)
  add_executable(bench_${name} ${source})
  target_link_libraries(bench_${name} PRIVATE ${TERCET_WHOLE})
  tercet_use_precompiled_header(bench_${name})
  if(name STREQUAL "predict_embedded")  # a peer
    target_link_libraries(bench_${name} PRIVATE OnnxRuntime::onnxruntime)
  endif()
  set_target_properties(bench_${name} PROPERTIES
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
endforeach()

file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.cc)
foreach(source ${tests})
  get_filename_component(name ${source} NAME_WE)
  tercet_add_test(${name} "${TERCET_WHOLE}" ${source})
endforeach()

if(EXISTS ${CMAKE_SOURCE_DIR}/python/src)
  include(PythonModule)
endif()
