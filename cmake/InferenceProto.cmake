# api/inference.proto as C++: tercet_inference_proto, with gRPC's library from Debian.
find_package(Protobuf REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

set(generated ${CMAKE_BINARY_DIR}/generated)
set(sources ${generated}/inference.pb.cc ${generated}/inference.grpc.pb.cc)
file(MAKE_DIRECTORY ${generated})
add_custom_command(
  OUTPUT ${sources} ${generated}/inference.pb.h ${generated}/inference.grpc.pb.h
  COMMAND ${Protobuf_PROTOC_EXECUTABLE} --proto_path=${CMAKE_SOURCE_DIR}/api
          --cpp_out=${generated} --grpc_out=${generated}
          --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} inference.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/api/inference.proto VERBATIM)
add_library(tercet_inference_proto STATIC ${sources})
target_include_directories(tercet_inference_proto SYSTEM PUBLIC ${generated})
# gRPC's headers lock a mutex of Abseil.
target_link_libraries(tercet_inference_proto PUBLIC grpc++_reflection grpc++ grpc gpr
                      absl_synchronization protobuf::libprotobuf)
