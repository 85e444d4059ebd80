#include "base/id.h"

#include <cstdio>
#include <random>

namespace tercet {

std::string NewUuid() {
  // random_device reads the kernel's generator at each call, so a fork can't repeat an id.
  std::random_device device;
  const unsigned a = device(), b = device(), c = device(), d = device();
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff,
                ((c >> 16) & 0x3fff) | 0x8000, c & 0xffff, d);
  return text;
}

}  // namespace tercet
