#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tercet {

/// A data file's tags, name → text, in the order in which they were set. Kept as one run of bytes:
/// a table may have a hundred thousand files of eight tags each, and as maps their nodes were most
/// of what opening and closing such a table took.
class FileTags {
 public:
  using Entry = std::pair<std::string_view, std::string_view>;

  class Iterator {
   public:
    explicit Iterator(const char* at) : at_(at) {}
    Entry operator*() const {
      const Sizes sizes = SizesAt(at_);
      const char* name = at_ + sizeof(Sizes);
      return {std::string_view(name, sizes.name), std::string_view(name + sizes.name, sizes.text)};
    }
    Iterator& operator++() {
      const Sizes sizes = SizesAt(at_);
      at_ += sizeof(Sizes) + sizes.name + sizes.text;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const char* at_;
  };

  Iterator begin() const { return Iterator(bytes_.data()); }
  Iterator end() const { return Iterator(bytes_.data() + bytes_.size()); }

  std::optional<std::string_view> Find(std::string_view name) const {
    for (const Entry& entry : *this) {
      if (entry.first == name) return entry.second;
    }
    return std::nullopt;
  }
  bool contains(std::string_view name) const { return Find(name).has_value(); }
  bool empty() const { return bytes_.empty(); }
  void clear() { bytes_.clear(); }

  /// Adds a tag, or gives it another text.
  void Set(std::string_view name, std::string_view text) {
    if (!contains(name)) return Append(name, text);
    FileTags others;
    for (const auto& [other, kept] : *this) {
      if (other != name) others.Append(other, kept);
    }
    others.Append(name, text);
    bytes_ = std::move(others.bytes_);
  }
  /// Adds a tag that is not there yet.
  void Append(std::string_view name, std::string_view text) {
    const Sizes sizes{static_cast<uint32_t>(name.size()), static_cast<uint32_t>(text.size())};
    bytes_.append(reinterpret_cast<const char*>(&sizes), sizeof(sizes));
    bytes_.append(name).append(text);
  }
  /// So many bytes of tags will come.
  void Reserve(size_t tags, size_t bytes) { bytes_.reserve(tags * sizeof(Sizes) + bytes); }

 private:
  struct Sizes {
    uint32_t name, text;
  };
  static Sizes SizesAt(const char* at) {
    Sizes sizes;
    std::memcpy(&sizes, at, sizeof(sizes));
    return sizes;
  }

  std::string bytes_;  ///< of each tag: its sizes, its name, its text
};

}  // namespace tercet
