#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace tercet {

/// Memory that is taken piece by piece and given back at once. Pieces stay where they are until
/// then. One user at a time.
class Arena {
 public:
  char* Take(size_t bytes) {
    if (bytes > left_) Grow(bytes);
    char* taken = next_;
    next_ += bytes;
    left_ -= bytes;
    return taken;
  }
  /// Room for `count` values, not initialized; `T` needs no destructor.
  template <typename T>
  T* TakeArray(size_t count) {
    static_assert(alignof(T) <= kAlignment);
    const size_t gap = -reinterpret_cast<size_t>(next_) % kAlignment;
    const size_t bytes = count * sizeof(T);
    if (gap + bytes <= left_) {
      Take(gap);
    } else {
      Grow(bytes);  // A new block is aligned.
    }
    return reinterpret_cast<T*>(Take(bytes));
  }
  std::string_view Copy(std::string_view text) {
    char* to = Take(text.size());
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  /// Forgets all pieces; keeps the newest block.
  void Reset() {
    if (blocks_.empty()) return;
    if (blocks_.size() > 1) blocks_.erase(blocks_.begin(), blocks_.end() - 1);
    next_ = blocks_.back().get();
    left_ = block_bytes_;
  }

 private:
  static constexpr size_t kAlignment = 16;  // that of new
  static constexpr size_t kBlockBytes = 16 << 10;

  void Grow(size_t bytes) {
    block_bytes_ = bytes > kBlockBytes ? bytes : kBlockBytes;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes_));
    next_ = blocks_.back().get();
    left_ = block_bytes_;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_bytes_ = 0;
};

}  // namespace tercet
