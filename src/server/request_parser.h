#pragma once

#include <string>

#include <boost/beast/http/basic_parser.hpp>

#include "server/http_message.h"

namespace tercet {

/// What a request's header says to the session alone; handlers see HttpRequest.
struct RequestHead {
  std::string target;  ///< as it came
  std::string host, origin, authorization;
  bool head_only = false;         ///< HEAD: the answer has no body
  bool expects_continue = false;  ///< Expect: 100-continue
  std::string encoding;           ///< Content-Encoding, lower case; empty: none
  int version = 11;               ///< 10 is HTTP/1.0
  int hosts = 0;                  ///< fields Host
  int transfers = 0;              ///< fields Transfer-Encoding
  bool only_chunked = true;       ///< what these say

  /// Not OK where two readers might take the request for different ones, or find its end elsewhere
  /// (RFC 9112, 3.2 and 6.3): without a host or with two, or with a transfer encoding other than
  /// chunked. NotImplemented for such an encoding, else Invalid.
  Status Check() const;
  /// For the next request; keeps its memory.
  void Clear();
};

/// Reads one HTTP/1.1 request, in pieces as they come, into `head` and `request`: their memory is
/// used again by the next request, so that a usual one takes none. Of a field that comes twice the
/// first counts, and of a target with a host ("http://host/path") that host; fields behind the body
/// count for nothing. Syntax, chunks and limits are Beast's.
class RequestParser : public boost::beast::http::basic_parser<true> {
 public:
  /// Both must be clear, and stay as long as this is used.
  RequestParser(RequestHead* head, HttpRequest* request);

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::system::error_code;

  void on_request_impl(boost::beast::http::verb method, string_view method_text,
                       string_view target, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                         error_code& error) override;
  std::size_t on_body_impl(string_view bytes, error_code& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, string_view bytes,
                                 error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  void on_finish_impl(error_code&) override {}

  RequestHead* const head_;
  HttpRequest* const request_;
};

}  // namespace tercet
