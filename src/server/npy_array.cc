#include "server/npy_array.h"

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/short_text.h"

namespace tercet {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
/// Of the header with what is before it, so that the values are aligned.
constexpr size_t kAlignment = 64;

struct Type {
  std::string_view descr, datatype;
  size_t size;
};
constexpr std::array<Type, 12> kTypes = {{{"|b1", "BOOL", 1},
                                          {"|i1", "INT8", 1},
                                          {"<i2", "INT16", 2},
                                          {"<i4", "INT32", 4},
                                          {"<i8", "INT64", 8},
                                          {"|u1", "UINT8", 1},
                                          {"<u2", "UINT16", 2},
                                          {"<u4", "UINT32", 4},
                                          {"<u8", "UINT64", 8},
                                          {"<f2", "FP16", 2},
                                          {"<f4", "FP32", 4},
                                          {"<f8", "FP64", 8}}};

Status Malformed(std::string_view what) {
  return Status::Invalid("malformed NumPy array: ", what);
}

uint32_t LittleEndian(std::string_view bytes) {
  uint32_t number = 0;
  for (size_t i = bytes.size(); i > 0; --i) {
    number = number << 8 | static_cast<uint8_t>(bytes[i - 1]);
  }
  return number;
}

/// Cuts the header's text, a Python dict, off the front of an array.
Result<std::string_view> TakeHeader(std::string_view* bytes) {
  if (!bytes->starts_with(kMagic) || bytes->size() < kMagic.size() + 6) {
    return Malformed("it does not begin as one");
  }
  const char version = (*bytes)[kMagic.size()];
  if (version < 1 || version > 3) return Malformed("its format's version is none of 1 to 3");
  const size_t digits = version == 1 ? 2 : 4;
  const size_t begin = kMagic.size() + 2 + digits;
  const size_t size = LittleEndian(bytes->substr(kMagic.size() + 2, digits));
  if (size > bytes->size() - begin) return Malformed("its header is cut off");
  const std::string_view header = bytes->substr(begin, size);
  bytes->remove_prefix(begin + size);
  return header;
}

/// The text after "'key':" in the header, without spaces before it; nullopt when there is no such.
std::optional<std::string_view> After(std::string_view header, std::string_view key) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  header.remove_prefix(at + key.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

/// "3, 4), }" as {3, 4}.
std::optional<std::vector<int64_t>> Sizes(std::string_view text) {
  std::vector<int64_t> sizes;
  while (true) {
    while (text.starts_with(' ') || text.starts_with(',')) text.remove_prefix(1);
    if (text.starts_with(')')) return sizes;
    int64_t size = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), size);
    if (read.ec != std::errc() || size < 0) return std::nullopt;
    sizes.push_back(size);
    text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  }
}

/// Values in Fortran's order, the first place changing fastest, in C's.
std::string Turned(std::string_view values, const std::vector<int64_t>& shape, size_t size) {
  std::string turned(values.size(), '\0');
  std::vector<size_t> steps(shape.size());  // In bytes, of the places in C's order.
  size_t step = size;
  for (size_t i = shape.size(); i > 0; --i) {
    steps[i - 1] = step;
    step *= static_cast<size_t>(shape[i - 1]);
  }
  std::vector<int64_t> place(shape.size());
  size_t to = 0;
  for (size_t from = 0; from < values.size(); from += size) {
    std::memcpy(turned.data() + to, values.data() + from, size);
    for (size_t i = 0; i < shape.size(); ++i) {
      to += steps[i];
      if (++place[i] < shape[i]) break;
      to -= steps[i] * static_cast<size_t>(shape[i]);
      place[i] = 0;
    }
  }
  return turned;
}

}  // namespace

Result<NpyArray> ReadNpy(std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const std::string_view header, TakeHeader(&bytes));
  const auto descr = After(header, "'descr':"), order = After(header, "'fortran_order':"),
             shape = After(header, "'shape':");
  if (!descr || !order || !shape || !shape->starts_with('(')) {
    return Malformed("its header has no type, order and shape");
  }
  const Type* type = nullptr;
  for (const Type& one : kTypes) {
    if (descr->size() > 4 && descr->substr(1, 3) == one.descr && (*descr)[4] == '\'') type = &one;
  }
  if (type == nullptr) {
    return Status::NotImplemented("a NumPy array of ", ShortText(*descr, 20),
                                  " is not read; send little-endian numbers or booleans");
  }
  const auto sizes = Sizes(shape->substr(1));
  if (!sizes || sizes->empty()) return Malformed("its shape is none of an array of rows");
  size_t left = bytes.size() / type->size;
  bool fits = bytes.size() % type->size == 0;
  for (const int64_t size : *sizes) {
    fits = fits && size > 0 && left % static_cast<size_t>(size) == 0;
    if (fits) left /= static_cast<size_t>(size);
  }
  if (!fits || left != 1) return Malformed("its values are not as many as its shape says");
  const bool fortran = order->starts_with("True") && sizes->size() > 1;
  return NpyArray{.datatype = std::string(type->datatype),
                  .shape = *sizes,
                  .values = arrow::Buffer::FromString(
                      fortran ? Turned(bytes, *sizes, type->size) : std::string(bytes))};
}

Result<std::string> WriteNpy(const OutputTensor& tensor) {
  const Type* type = nullptr;
  for (const Type& one : kTypes) {
    if (one.datatype == tensor.datatype) type = &one;
  }
  if (type == nullptr) {
    return Status::NotImplemented("output '", tensor.name, "' has no numbers for a NumPy array; ",
                                  "accept application/json");
  }
  std::string header = "{'descr': '" + std::string(type->descr) +
                       "', 'fortran_order': False, 'shape': (";
  for (const int64_t size : tensor.shape) header += std::to_string(size) + ",";
  header += "), }";
  const size_t before = kMagic.size() + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  ARROW_RETURN_NOT_OK(AppendTensorBytes(tensor, &bytes));
  return bytes;
}

}  // namespace tercet
