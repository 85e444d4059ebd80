#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

namespace tercet {

/// Builds a json::value with every double exact. The parser of this Boost (1.81) computes doubles
/// itself and is off by one bit now and then, so that a fitted parameter read back would differ
/// from the one written; here their text goes through std::from_chars. The whole text must be given
/// in one write, so that every number lies in one piece.
struct ExactHandler {
  using string_view = boost::json::string_view;
  using error_code = boost::json::error_code;

  static constexpr std::size_t max_object_size = boost::json::object::max_size();
  static constexpr std::size_t max_array_size = boost::json::array::max_size();
  static constexpr std::size_t max_key_size = boost::json::string::max_size();
  static constexpr std::size_t max_string_size = boost::json::string::max_size();

  /// The values' memory is of `memory`.
  explicit ExactHandler(boost::json::storage_ptr memory) : stack({}, space, sizeof(space)) {
    stack.reset(std::move(memory));
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t n, error_code&) {
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(string_view s, std::size_t, error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_key(string_view s, std::size_t, error_code&) {
    stack.push_key(s);
    return true;
  }
  bool on_string_part(string_view s, std::size_t, error_code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_string(string_view s, std::size_t, error_code&) {
    stack.push_string(s);
    return true;
  }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t i, string_view, error_code&) {
    stack.push_int64(i);
    return true;
  }
  bool on_uint64(std::uint64_t u, string_view, error_code&) {
    stack.push_uint64(u);
    return true;
  }
  bool on_double(double rounded, string_view s, error_code& error) {
    double exact = 0;
    const auto result = std::from_chars(s.data(), s.data() + s.size(), exact);
    if (result.ec != std::errc()) {  // beyond the range of doubles
      if (std::abs(rounded) > 1) {
        error = boost::json::error::exponent_overflow;
        return false;
      }
      exact = std::copysign(0.0, rounded);
    }
    stack.push_double(exact);
    return true;
  }
  bool on_bool(bool b, error_code&) {
    stack.push_bool(b);
    return true;
  }
  bool on_null(error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  /// Of values whose list or object has not ended yet; most texts need no more.
  alignas(boost::json::value) unsigned char space[2048];
  boost::json::value_stack stack;
};

}  // namespace tercet
