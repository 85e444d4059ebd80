#include "server/request_parser.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tercet {
namespace {

namespace http = boost::beast::http;

/// A body that says to be longer grows as it comes.
constexpr uint64_t kReservedBytes = 1 << 20;

char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// "Application/JSON; charset=utf-8" as "application/json".
void SetMediaType(std::string_view text, std::string* type) {
  type->assign(text.substr(0, text.find(';')));
  while (!type->empty() && type->back() == ' ') type->pop_back();
  std::transform(type->begin(), type->end(), type->begin(), LowerOf);
}

/// "http://host/path?query", which any client may send and proxies do, as host and path.
void TakeHost(RequestHead* head) {
  const std::string_view target = head->target;
  const std::string_view scheme = target.substr(0, 7);
  if (!boost::beast::iequals({scheme.data(), scheme.size()}, "http://")) return;
  const size_t end = std::min(target.find_first_of("/?", 7), target.size());
  head->host = target.substr(7, end - 7);
  const bool path = end < target.size() && target[end] == '/';
  head->target = (path ? "" : "/") + std::string(target.substr(end));
}

}  // namespace

void RequestHead::Clear() {
  for (std::string* text : {&target, &host, &origin, &authorization, &encoding}) text->clear();
  head_only = expects_continue = false;
  version = 11;
  hosts = transfers = 0;
  only_chunked = true;
}

Status RequestHead::Check() const {
  if (!only_chunked) {
    return Status::NotImplemented("a body in a transfer encoding other than chunked is not read");
  }
  if (transfers > 1 || (transfers == 1 && version < 11)) {
    return Status::Invalid("malformed HTTP request: Transfer-Encoding ",
                           transfers > 1 ? "comes twice" : "came with HTTP/1.0");
  }
  if (hosts > 1 || (version >= 11 && host.empty() && hosts == 0)) {
    return Status::Invalid("malformed HTTP request: ", hosts > 1 ? "two fields" : "no field",
                           " Host");
  }
  return Status::OK();
}

RequestParser::RequestParser(RequestHead* head, HttpRequest* request)
    : head_(head), request_(request) {
  eager(true);
}

void RequestParser::on_request_impl(http::verb method, string_view method_text,
                                    string_view target, int version, error_code&) {
  head_->version = version;
  head_->head_only = method == http::verb::head;
  // What there is to GET may be asked for its header alone.
  const string_view text = head_->head_only ? string_view("GET") : method_text;
  request_->method.assign(text.data(), text.size());
  head_->target.assign(target.data(), target.size());
  TakeHost(head_);
}

void RequestParser::on_field_impl(http::field name, string_view name_text, string_view value,
                                  error_code&) {
  if (is_header_done()) return;
  const std::string_view text(value.data(), value.size());
  const auto set = [text](std::string* to) {
    if (to->empty()) to->assign(text);
  };
  switch (name) {
    case http::field::host:
      ++head_->hosts;
      return set(&head_->host);
    case http::field::transfer_encoding:
      ++head_->transfers;
      head_->only_chunked &= boost::beast::iequals(value, "chunked");
      return;
    case http::field::content_encoding:
      if (boost::beast::iequals(value, "identity")) return;
      // Several are one after the other, as if in one list.
      if (!head_->encoding.empty()) head_->encoding += ", ";
      std::transform(text.begin(), text.end(), std::back_inserter(head_->encoding), LowerOf);
      return;
    case http::field::origin:
      return set(&head_->origin);
    case http::field::authorization:
      return set(&head_->authorization);
    case http::field::expect:
      head_->expects_continue |= boost::beast::iequals(value, "100-continue");
      return;
    case http::field::content_type:
      if (request_->content_type.empty()) SetMediaType(text, &request_->content_type);
      return;
    case http::field::accept:
      if (request_->accept.empty()) SetMediaType(text, &request_->accept);
      return;
    case http::field::unknown:
      break;
    default:
      return;
  }
  if (boost::beast::iequals(name_text, "X-Request-Id")) return set(&request_->request_id);
  if (boost::beast::iequals(name_text, "traceparent")) return set(&request_->traceparent);
  if (boost::beast::iequals(name_text, "Inference-Header-Content-Length")) {
    set(&request_->inference_header_length);
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) {
  if (length) request_->body.reserve(static_cast<size_t>(std::min(*length, kReservedBytes)));
}

std::size_t RequestParser::on_body_impl(string_view bytes, error_code&) {
  request_->body.append(bytes.data(), bytes.size());
  return bytes.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t /*left*/, string_view bytes,
                                              error_code& error) {
  return on_body_impl(bytes, error);
}

}  // namespace tercet
