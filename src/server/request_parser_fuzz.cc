#include "server/request_parser.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

namespace {

struct Read {
  tercet::RequestHead head;
  tercet::HttpRequest request;
  bool done = false;
};

/// Reads bytes that come in pieces of some size, as a session does.
void ReadPieces(std::string_view bytes, size_t piece, Read* read) {
  tercet::RequestParser parser(&read->head, &read->request);
  parser.header_limit(4096);
  parser.body_limit(65536);
  std::string waiting;
  while (!bytes.empty() && !parser.is_done()) {
    const size_t size = std::min(piece, bytes.size());
    waiting.append(bytes.data(), size);
    bytes.remove_prefix(size);
    while (!waiting.empty() && !parser.is_done()) {
      boost::system::error_code error;
      const size_t used =
          parser.put(boost::asio::const_buffer(waiting.data(), waiting.size()), error);
      waiting.erase(0, used);
      if (error == boost::beast::http::error::need_more) break;
      if (error) return;
      if (used == 0) break;
    }
  }
  read->done = parser.is_done();
}

}  // namespace

/// A request, with the size of the pieces that it comes in before it, is the same request as when
/// it comes whole.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Read whole;
  Read pieces;
  ReadPieces(bytes, size, &whole);
  ReadPieces(bytes, static_cast<size_t>(data[0]) + 1, &pieces);
  if (!whole.done) return 0;
  const bool same = whole.head.target == pieces.head.target &&
                    whole.request.method == pieces.request.method &&
                    whole.request.body == pieces.request.body;
  if (pieces.done && !same) __builtin_trap();
  // Fits the routes or is refused.
  (void)tercet::ParseTarget(whole.head.target, &whole.request);
  return 0;
}
