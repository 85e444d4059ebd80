#include "compute/expression_output.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include <arrow/util/bit_util.h>

namespace tercet::expr {
namespace {

/// Sets bits [at, at + rows) to bytes that are 0 or 1, where the bits from `at` on are zero yet.
/// Returns how many are 1.
int64_t PackBits(const uint8_t* bytes, int64_t rows, uint8_t* bits, int64_t at) {
  int64_t ones = 0, i = 0;
  for (; i < rows && (at + i) % 8 != 0; ++i) {
    ones += bytes[i];
    bits[(at + i) / 8] |= static_cast<uint8_t>(bytes[i] << ((at + i) % 8));
  }
  for (; i + 8 <= rows; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + i, 8);
    ones += std::popcount(eight);
    // The multiplication gathers the lowest bit of each byte in the topmost byte.
    bits[(at + i) / 8] = static_cast<uint8_t>((eight * 0x0102040810204080u) >> 56);
  }
  for (; i < rows; ++i) {
    ones += bytes[i];
    bits[(at + i) / 8] |= static_cast<uint8_t>(bytes[i] << ((at + i) % 8));
  }
  return ones;
}

Result<std::shared_ptr<arrow::Buffer>> ZeroBits(int64_t rows) {
  return arrow::AllocateEmptyBitmap(rows);
}

template <typename From, typename To>
void CopyValues(const Register& chunk, int64_t rows, To* to) {
  const auto* from = static_cast<const From*>(chunk.values);
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, static_cast<size_t>(rows) * sizeof(To));
  } else {
    for (int64_t i = 0; i < rows; ++i) to[i] = static_cast<To>(from[i]);
  }
  if (!chunk.has_nulls) return;
  for (int64_t i = 0; i < rows; ++i) {
    if (chunk.valid[i] == 0) to[i] = To{};
  }
}

}  // namespace

Status Output::Reserve() {
  switch (kind_) {
    case Kind::kNull:
    case Kind::kOpaque:
      return Status::OK();
    case Kind::kBool:
      return ZeroBits(rows_).Value(&values_);
    case Kind::kDate:
      return arrow::AllocateBuffer(rows_ * 4).Value(&values_);
    case Kind::kString: {
      ARROW_ASSIGN_OR_RAISE(values_, arrow::AllocateBuffer((rows_ + 1) * 4));
      reinterpret_cast<int32_t*>(values_->mutable_data())[0] = 0;
      return Status::OK();
    }
    default:
      return arrow::AllocateBuffer(rows_ * 8).Value(&values_);
  }
}

Status Output::Append(const Register& chunk, int64_t rows) {
  ARROW_RETURN_NOT_OK(AppendValidity(chunk, rows));
  switch (kind_) {
    case Kind::kNull:
    case Kind::kOpaque:
      break;
    case Kind::kBool: {
      const auto* from = static_cast<const Bool*>(chunk.values);
      Bool masked[kChunkRows];
      if (chunk.has_nulls) {
        for (int64_t i = 0; i < rows; ++i) masked[i] = from[i] & chunk.valid[i];
        from = masked;
      }
      PackBits(from, rows, values_->mutable_data(), done_);
      break;
    }
    case Kind::kInt:
    case Kind::kTimestamp:
      CopyValues<int64_t>(chunk, rows, reinterpret_cast<int64_t*>(values_->mutable_data()) + done_);
      break;
    case Kind::kDate:
      CopyValues<int64_t>(chunk, rows, reinterpret_cast<int32_t*>(values_->mutable_data()) + done_);
      break;
    case Kind::kDouble:
      CopyValues<double>(chunk, rows, reinterpret_cast<double*>(values_->mutable_data()) + done_);
      break;
    case Kind::kString:
      ARROW_RETURN_NOT_OK(AppendTexts(chunk, rows));
      break;
  }
  done_ += rows;
  return Status::OK();
}

Status Output::AppendValidity(const Register& chunk, int64_t rows) {
  if (kind_ == Kind::kNull) return Status::OK();
  if (!chunk.has_nulls) {
    if (validity_) arrow::bit_util::SetBitsTo(validity_->mutable_data(), done_, rows, true);
    return Status::OK();
  }
  if (!validity_) {
    if (std::memchr(chunk.valid, 0, static_cast<size_t>(rows)) == nullptr) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(validity_, ZeroBits(rows_));
    arrow::bit_util::SetBitsTo(validity_->mutable_data(), 0, done_, true);
  }
  nulls_ += rows - PackBits(chunk.valid, rows, validity_->mutable_data(), done_);
  return Status::OK();
}

Status Output::AppendTexts(const Register& chunk, int64_t rows) {
  const auto* from = static_cast<const std::string_view*>(chunk.values);
  auto* offsets = reinterpret_cast<int32_t*>(values_->mutable_data()) + done_ + 1;
  for (int64_t i = 0; i < rows; ++i) {
    if (!chunk.has_nulls || chunk.valid[i] != 0) {
      if (texts_.length() + static_cast<int64_t>(from[i].size()) >
          std::numeric_limits<int32_t>::max()) {
        return Status::CapacityError("an expression's texts exceed 2 GiB in one batch of ", rows_,
                                     " rows; use smaller batches");
      }
      ARROW_RETURN_NOT_OK(
          texts_.Append(from[i].data(), static_cast<int64_t>(from[i].size())));
    }
    offsets[i] = static_cast<int32_t>(texts_.length());
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> Output::Finish() {
  if (kind_ == Kind::kNull) return std::make_shared<arrow::NullArray>(rows_);
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {std::move(validity_),
                                                         std::move(values_)};
  if (kind_ == Kind::kString) {
    ARROW_ASSIGN_OR_RAISE(auto texts, texts_.Finish());
    buffers.push_back(std::move(texts));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type_, rows_, std::move(buffers), nulls_));
}

}  // namespace tercet::expr
