#include "server/http_message.h"

#include <charconv>

#include <boost/beast/http/status.hpp>

#include "base/short_text.h"
#include "client/plain_json.h"

namespace tercet {
namespace {

/// Memory for a body that a connection keeps between requests, at most.
constexpr size_t kKeptBodyBytes = 64 << 10;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> Decode(std::string_view text, bool plus_is_space) {
  const auto has = [text](char c) { return text.find(c) != std::string_view::npos; };
  if (!has('%') && !(plus_is_space && has('+'))) return std::string(text);
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Status::Invalid("request target with a '%' that no two hexadecimal digits follow");
      }
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return decoded;
}

void AppendNumber(size_t number, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), number).ptr);
}

}  // namespace

void HttpRequest::Clear() {
  for (std::string* text : {&method, &content_type, &accept, &inference_header_length, &request_id,
                            &traceparent}) {
    text->clear();
  }
  path.clear();
  query.clear();
  body.clear();
  if (body.capacity() > kKeptBodyBytes) body = std::string();
}

const std::string* HttpRequest::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<json::object> HttpRequest::JsonBody() const {
  // What a PUT leaves out is taken away: one that has lost its body must not take away everything.
  if (body.empty() && method != "PUT") return json::object();
  return ParseJsonObject(body);
}

Result<json::object> HttpRequest::JsonBody(JsonMemory* memory) const {
  if (body.empty()) return json::object();
  return memory->ParseObject(body);
}

HttpAnswer HttpAnswer::Json(const json::value& value, int status) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = PlainJson(value);
  return answer;
}

Status ParseTarget(std::string_view target, HttpRequest* request) {
  if (target.empty() || target.front() != '/') {
    return Status::Invalid("request target '", ShortText(target), "' is not a path");
  }
  const size_t question = target.find('?');
  std::string_view path =
      target.substr(1, question == std::string_view::npos ? question : question - 1);
  while (!path.empty()) {
    const size_t slash = path.find('/');
    ARROW_ASSIGN_OR_RAISE(request->path.emplace_back(), Decode(path.substr(0, slash), false));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  if (question == std::string_view::npos) return Status::OK();
  std::string_view query = target.substr(question + 1);
  while (!query.empty()) {
    const size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto& [key, value] = request->query.emplace_back();
    ARROW_ASSIGN_OR_RAISE(key, Decode(pair.substr(0, equals), true));
    if (equals != std::string_view::npos) {
      ARROW_ASSIGN_OR_RAISE(value, Decode(pair.substr(equals + 1), true));
    }
  }
  return Status::OK();
}

void Serialize(const HttpAnswer& answer, Connection connection, bool with_body,
               std::string* text) {
  text->clear();
  text->reserve(256 + (with_body ? answer.body.size() : 0));
  *text += "HTTP/1.1 ";
  AppendNumber(static_cast<size_t>(answer.status), text);
  *text += ' ';
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(answer.status));
  text->append(reason.data(), reason.size());
  *text += "\r\nContent-Type: ";
  *text += answer.content_type;
  *text += "\r\nContent-Length: ";
  AppendNumber(answer.body.size(), text);
  if (connection == Connection::kClose) *text += "\r\nConnection: close";
  if (connection == Connection::kKeepAlive) *text += "\r\nConnection: keep-alive";
  for (const auto& [name, value] : answer.headers) {
    *text += "\r\n";
    *text += name;
    *text += ": ";
    *text += value;
  }
  *text += "\r\n\r\n";
  if (with_body) *text += answer.body;
}

}  // namespace tercet
