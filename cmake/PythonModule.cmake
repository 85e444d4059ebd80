# The Python package: python/src/*.cc as nanobind module _core, beside the package's Python
# files and the binary, so that PYTHONPATH=build/PRESET/python runs what a wheel would hold.
if(NOT DEFINED Python_EXECUTABLE)
  set(Python_EXECUTABLE ${CMAKE_SOURCE_DIR}/.deps/venv/bin/python)
endif()
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
                OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT
                COMMAND_ERROR_IS_FATAL ANY)
find_package(nanobind CONFIG REQUIRED)

set(package ${CMAKE_BINARY_DIR}/python/tercet)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/python/src/*.cc)
if(sources)
  nanobind_add_module(_core NB_STATIC NOMINSIZE ${sources})
  target_include_directories(_core PRIVATE ${CMAKE_SOURCE_DIR}/python/src)
  target_link_libraries(_core PRIVATE ${TERCET_WHOLE})
  tercet_use_precompiled_header(_core)
  set_target_properties(_core PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${package})
  install(TARGETS _core LIBRARY DESTINATION tercet)
endif()

# Links, so that an edit of a Python file needs no build.
file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/python/tercet
     ${CMAKE_SOURCE_DIR}/python/tercet/*)
list(FILTER files EXCLUDE REGEX "__pycache__")
foreach(file ${files})
  get_filename_component(folder ${package}/${file} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/python/tercet/${file} ${package}/${file} SYMBOLIC)
endforeach()

if(TARGET tercet)
  file(MAKE_DIRECTORY ${package}/bin)
  file(CREATE_LINK ${CMAKE_BINARY_DIR}/tercet ${package}/bin/tercet SYMBOLIC)
  install(TARGETS tercet RUNTIME DESTINATION tercet/bin)
endif()

# Opened by name at the first query or https request, so no linker asks for them.
file(MAKE_DIRECTORY ${package}/lib)
file(CREATE_LINK ${DuckDb_LIBRARY} ${package}/lib/libtercet_duckdb.so SYMBOLIC)
file(CREATE_LINK ${TlsLibrary} ${package}/lib/libtercet_tls.so SYMBOLIC)
install(PROGRAMS ${DuckDb_LIBRARY} ${TlsLibrary} DESTINATION tercet/lib)

if(SKBUILD)
  install(PROGRAMS ${CMAKE_SOURCE_DIR}/python/scripts/tercet DESTINATION ${SKBUILD_SCRIPTS_DIR})
  install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${SKBUILD_METADATA_DIR}/licenses)
endif()
