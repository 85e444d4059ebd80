#include "client/http_link.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace tercet {
namespace {

using boost::asio::ip::tcp;

TEST(HttpLink, IsPatientNoLongerThanAsked) {
  // It lets clients connect, and neither reads nor answers.
  boost::asio::io_context context;
  tcp::acceptor deaf(context, {boost::asio::ip::address_v4::loopback(), 0});
  HttpLink link("127.0.0.1", std::to_string(deaf.local_endpoint().port()), "",
                std::chrono::milliseconds(100));
  EXPECT_TRUE(link.Send("POST", "/", "", "short").status().IsIOError());
  // More than the buffers of both sockets take.
  EXPECT_TRUE(link.Send("POST", "/", "", std::string(64 << 20, 'x')).status().IsIOError());
}

}  // namespace
}  // namespace tercet
