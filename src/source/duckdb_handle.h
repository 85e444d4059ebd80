#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "source/duckdb_library.h"

namespace tercet {

/// Owns one object of DuckDB's C API. Its destroy functions take empty ones as well.
template <typename T>
class DuckDbHandle {
 public:
  explicit DuckDbHandle(void (*destroy)(T*)) : destroy_(destroy) {}
  DuckDbHandle(void (*destroy)(T*), T handle) : destroy_(destroy), handle_(handle) {}
  DuckDbHandle(const DuckDbHandle&) = delete;
  DuckDbHandle& operator=(const DuckDbHandle&) = delete;
  ~DuckDbHandle() { destroy_(&handle_); }

  const T& get() const { return handle_; }
  T* out() { return &handle_; }

 private:
  void (*const destroy_)(T*);
  T handle_ = {};
};

/// A text that DuckDB allocated, "" for null; frees it.
inline std::string TakeText(const DuckDbLibrary& duck, char* text) {
  std::string taken = text == nullptr ? "" : text;
  duck.free(text);
  return taken;
}

/// OK when there is no error; else Invalid with what it says. Frees it.
inline Status TakeError(const DuckDbLibrary& duck, duckdb_error_data error) {
  if (error == nullptr) return Status::OK();
  const char* message = duck.error_data_message(error);
  Status status = Status::Invalid(message == nullptr ? "DuckDB failed" : message);
  duck.destroy_error_data(&error);
  return status;
}

}  // namespace tercet
