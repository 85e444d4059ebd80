#include "neighbors/graph_bytes.h"

#include <cstdint>
#include <cstring>
#include <vector>

namespace tercet {
namespace {

using Level = int16_t;

/// As index_serialized_header_t.
struct Header {
  uint64_t size, links, base_links, max_level, entry_slot;
};

constexpr uint64_t kMaxLevel = 64;  // of a logarithm

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  Status Read(T* value) {
    if (bytes_.size() < sizeof(T)) return Status::Invalid("a graph that breaks off");
    std::memcpy(value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return Status::OK();
  }
  bool at_end() const { return bytes_.empty(); }
  size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

}  // namespace

Status CheckGraphBytes(std::string_view bytes, size_t vectors, size_t links) {
  Reader reader(bytes);
  Header header;
  ARROW_RETURN_NOT_OK(reader.Read(&header));
  if (header.size != vectors || header.links != links || header.base_links != 2 * links ||
      header.max_level > kMaxLevel || header.entry_slot >= vectors ||
      reader.left() / sizeof(Level) < vectors) {
    return Status::Invalid("a graph of ", header.size, " vectors with ", header.links,
                           " links, not of ", vectors, " with ", links);
  }
  std::vector<Level> levels(vectors);
  for (Level& level : levels) {
    ARROW_RETURN_NOT_OK(reader.Read(&level));
    if (level < 0 || static_cast<uint64_t>(level) > header.max_level) {
      return Status::Invalid("a graph with a vector in layer ", level);
    }
  }
  if (static_cast<uint64_t>(levels[header.entry_slot]) != header.max_level) {
    return Status::Invalid("a graph that is not entered at its top");
  }
  for (size_t slot = 0; slot < vectors; ++slot) {
    uint32_t key = 0;
    Level level = 0;
    ARROW_RETURN_NOT_OK(reader.Read(&key));
    ARROW_RETURN_NOT_OK(reader.Read(&level));
    if (level != levels[slot]) return Status::Invalid("a graph whose layers differ");
    for (Level layer = 0; layer <= level; ++layer) {
      const size_t most = layer == 0 ? 2 * links : links;
      uint32_t count = 0;
      ARROW_RETURN_NOT_OK(reader.Read(&count));
      if (count > most) return Status::Invalid("a graph with ", count, " links of one vector");
      for (size_t i = 0; i < most; ++i) {
        uint32_t linked = 0;
        ARROW_RETURN_NOT_OK(reader.Read(&linked));
        if (i < count && (linked >= vectors || levels[linked] < layer)) {
          return Status::Invalid("a graph whose vector ", slot, " is linked to ", linked,
                                 ", which is not in layer ", layer);
        }
      }
    }
  }
  if (!reader.at_end()) return Status::Invalid("a graph with more bytes than it has");
  return Status::OK();
}

}  // namespace tercet
