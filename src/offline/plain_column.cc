#include "offline/plain_column.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <parquet/column_page.h>
#include <parquet/column_reader.h>

namespace tercet {
namespace {

/// Appends bits to a bitmap of 64-bit words.
class BitWriter {
 public:
  BitWriter(std::vector<uint64_t>* words, int64_t bits) : words_(words), bits_(bits) {
    words_->assign(static_cast<size_t>((bits + 63) / 64), 0);
  }

  int64_t left() const { return bits_ - at_; }

  void Append(uint64_t word, int64_t count) {
    if (count < 64) word &= (uint64_t{1} << count) - 1;
    const auto index = static_cast<size_t>(at_ / 64);
    const int shift = static_cast<int>(at_ % 64);
    (*words_)[index] |= word << shift;
    if (shift + count > 64) (*words_)[index + 1] |= word >> (64 - shift);
    at_ += count;
  }

 private:
  std::vector<uint64_t>* const words_;
  const int64_t bits_;
  int64_t at_ = 0;
};

/// Definition levels of a flat nullable column: Parquet's hybrid of runs and packed bits, one bit a
/// level, which are the validity bits.
Status ReadLevels(const uint8_t* data, int64_t size, int64_t rows, std::vector<uint64_t>* valid) {
  BitWriter bits(valid, rows);
  int64_t at = 0;
  while (bits.left() > 0) {
    uint64_t header = 0;
    for (int shift = 0;; shift += 7) {
      if (at >= size || shift > 35) return Status::IOError("definition levels are cut short");
      const uint8_t byte = data[at++];
      header |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) break;
    }
    int64_t count = static_cast<int64_t>(header >> 1);
    if ((header & 1) == 0) {  // a run of one level
      if (at >= size || count == 0) return Status::IOError("definition levels are cut short");
      const uint64_t word = data[at++] != 0 ? ~uint64_t{0} : 0;
      for (count = std::min(count, bits.left()); count > 0; count -= 64) {
        bits.Append(word, std::min<int64_t>(count, 64));
      }
      continue;
    }
    // `count` bytes of eight levels each; the last byte may hold more levels than there are.
    if (count == 0 || count > size - at) return Status::IOError("definition levels are cut short");
    const uint8_t* packed = data + at;
    at += count;
    int64_t levels = std::min(count * 8, bits.left());
    for (; levels >= 64; levels -= 64, packed += 8) {
      uint64_t word;
      std::memcpy(&word, packed, 8);
      bits.Append(word, 64);
    }
    if (levels > 0) {
      uint64_t word = 0;
      std::memcpy(&word, packed, static_cast<size_t>((levels + 7) / 8));
      bits.Append(word, levels);
    }
  }
  return Status::OK();
}

/// `count` ≤ 64 bits from bit `at` on, which need not begin a word.
uint64_t BitsAt(const uint64_t* words, int64_t at, int64_t count) {
  const int64_t index = at / 64;
  const int shift = static_cast<int>(at % 64);
  uint64_t bits = words[index] >> shift;
  if (shift + count > 64) bits |= words[index + 1] << (64 - shift);
  return count < 64 ? bits & ((uint64_t{1} << count) - 1) : bits;
}

constexpr int kMostWidth = 8;
constexpr uint8_t kNoValue[kMostWidth] = {};

}  // namespace

void PlainColumn::Append(int64_t at, int64_t count, const uint64_t* valid, const uint8_t* values) {
  for (int64_t row = 0; row < count;) {
    const int64_t place = (at + row) % 64;
    const int64_t size = std::min<int64_t>(64 - place, count - row);
    const uint64_t bits = valid != nullptr ? BitsAt(valid, row, size)
                          : size < 64      ? (uint64_t{1} << size) - 1
                                           : ~uint64_t{0};
    const int present = std::popcount(bits);
    Word& word = words_[static_cast<size_t>((at + row) / 64)];
    if (word.valid == 0) {
      word = {bits << place, bits == 0 ? kNoValue : values};
    } else if (bits != 0) {  // begun in the page before
      auto both = std::make_unique<uint8_t[]>(static_cast<size_t>(64 * width_));
      const auto before = static_cast<size_t>(std::popcount(word.valid) * width_);
      std::memcpy(both.get(), word.values, before);
      std::memcpy(both.get() + before, values, static_cast<size_t>(present * width_));
      word = {word.valid | bits << place, both.get()};
      copies_.push_back(std::move(both));
    }
    values += present * width_;
    row += size;
  }
}

Result<std::shared_ptr<const PlainColumn>> PlainColumn::Read(parquet::PageReader* pages, int width,
                                                             bool nullable, int64_t rows) {
  auto column = std::make_shared<PlainColumn>();
  column->width_ = width;
  column->rows_ = rows;
  column->words_.resize(static_cast<size_t>((rows + 63) / 64));
  std::vector<uint64_t> valid;
  int64_t at = 0;
  while (const std::shared_ptr<parquet::Page> page = pages->NextPage()) {
    if (page->type() != parquet::PageType::DATA_PAGE) return nullptr;
    const auto& data = static_cast<const parquet::DataPageV1&>(*page);
    if (data.encoding() != parquet::Encoding::PLAIN) return nullptr;
    const int64_t count = data.num_values();
    if (count < 0 || count > rows - at) {
      return Status::IOError("its pages have more than ", rows, " rows");
    }
    const uint8_t* values = data.data();
    int64_t size = data.size(), present = count;
    if (nullable) {
      if (data.definition_level_encoding() != parquet::Encoding::RLE) return nullptr;
      uint32_t levels = 0;
      if (size < 4) return Status::IOError("a page is cut short");
      std::memcpy(&levels, values, 4);
      values += 4;
      size -= 4;
      if (static_cast<int64_t>(levels) > size) return Status::IOError("a page is cut short");
      ARROW_RETURN_NOT_OK(ReadLevels(values, levels, count, &valid));
      values += levels;
      size -= levels;
      present = 0;
      for (const uint64_t word : valid) present += std::popcount(word);
      column->has_nulls_ |= present < count;
    }
    if (present > size / width) return Status::IOError("a page is cut short");
    column->Append(at, count, nullable ? valid.data() : nullptr, values);
    column->owners_.push_back(data.buffer());
    at += count;
  }
  if (at != rows) return Status::IOError("its pages have ", at, " rows, not ", rows);
  return column;
}

std::shared_ptr<const PlainColumn> PlainColumn::Of(const arrow::Array& array, int width) {
  auto column = std::make_shared<PlainColumn>();
  column->width_ = width;
  column->rows_ = array.length();
  column->has_nulls_ = array.null_count() > 0;
  column->words_.resize(static_cast<size_t>((array.length() + 63) / 64));
  const uint8_t* values = array.data()->buffers[1]->data() + array.offset() * width;
  for (int64_t begin = 0; begin < array.length(); begin += 64) {
    Word& word = column->words_[static_cast<size_t>(begin / 64)];
    auto packed = std::make_unique<uint8_t[]>(static_cast<size_t>(64 * width));
    uint8_t* to = packed.get();
    for (int64_t i = 0; i < std::min<int64_t>(64, array.length() - begin); ++i) {
      if (array.IsNull(begin + i)) continue;
      word.valid |= uint64_t{1} << i;
      std::memcpy(to, values + (begin + i) * width, static_cast<size_t>(width));
      to += width;
    }
    word.values = packed.get();
    column->copies_.push_back(std::move(packed));
  }
  return column;
}

void PlainColumn::CopyTo(uint8_t* to) const {
  // Neighbouring words mostly lie in one page: copied together.
  const int64_t word_bytes = int64_t{64} * width_;
  for (size_t w = 0; w < words_.size();) {
    size_t end = w + 1;
    while (end < words_.size() && words_[end].values == words_[end - 1].values + word_bytes) ++end;
    const int64_t first = static_cast<int64_t>(w) * 64;
    const int64_t count = std::min(static_cast<int64_t>(end) * 64, rows_) - first;
    std::memcpy(to + first * width_, words_[w].values, static_cast<size_t>(count * width_));
    w = end;
  }
}

}  // namespace tercet
