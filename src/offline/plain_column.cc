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

}  // namespace

Result<std::shared_ptr<const PlainColumn>> PlainColumn::Read(parquet::PageReader* pages, int width,
                                                             bool nullable, int64_t rows) {
  auto column = std::make_shared<PlainColumn>();
  column->width_ = width;
  int64_t at = 0;
  while (const std::shared_ptr<parquet::Page> page = pages->NextPage()) {
    if (page->type() != parquet::PageType::DATA_PAGE) return nullptr;
    const auto& data = static_cast<const parquet::DataPageV1&>(*page);
    if (data.encoding() != parquet::Encoding::PLAIN) return nullptr;
    Page made{.first_row = at, .row_count = data.num_values(), .values = data.data(),
              .value_count = data.num_values(), .valid = {}, .rank = {}, .owner = data.buffer()};
    int64_t size = data.size();
    if (nullable) {
      if (data.definition_level_encoding() != parquet::Encoding::RLE) return nullptr;
      uint32_t levels = 0;
      if (size < 4) return Status::IOError("a page is cut short");
      std::memcpy(&levels, made.values, 4);
      made.values += 4;
      size -= 4;
      if (static_cast<int64_t>(levels) > size) return Status::IOError("a page is cut short");
      ARROW_RETURN_NOT_OK(ReadLevels(made.values, levels, made.row_count, &made.valid));
      made.values += levels;
      size -= levels;
      made.rank.resize(made.valid.size());
      uint32_t before = 0;
      for (size_t w = 0; w < made.valid.size(); ++w) {
        made.rank[w] = before;
        before += static_cast<uint32_t>(std::popcount(made.valid[w]));
      }
      made.value_count = before;
      if (before == made.row_count) {
        made.valid.clear();
        made.rank.clear();
      } else {
        column->has_nulls_ = true;
      }
    }
    if (made.value_count > size / width) return Status::IOError("a page is cut short");
    at += made.row_count;
    column->pages_.push_back(std::move(made));
  }
  if (at != rows) return Status::IOError("its pages have ", at, " rows, not ", rows);
  return column;
}

void PlainColumn::CopyTo(uint8_t* to) const {
  for (const Page& page : pages_) {
    std::memcpy(to + page.first_row * width_, page.values,
                static_cast<size_t>(page.value_count * width_));
  }
}

}  // namespace tercet
