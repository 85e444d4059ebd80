#include "compute/expression_output.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

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

/// Up to so many rows, taking memory costs more than the values' computing.
constexpr int64_t kFewRows = 256;

/// One piece of memory, cut into buffers that keep the whole alive.
struct SharedMemory {
  explicit SharedMemory(size_t count) : pieces(count) {}
  std::unique_ptr<arrow::Buffer> memory;
  std::vector<std::optional<arrow::MutableBuffer>> pieces;
};

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

int64_t Output::ValueBytes() const {
  switch (result_->kind) {
    case Kind::kNull:
    case Kind::kFloatList:
    case Kind::kDoubleList:
    case Kind::kMap:
    case Kind::kStruct:
    case Kind::kOpaque:
      return 0;
    case Kind::kBool:
      return arrow::bit_util::BytesForBits(rows_);
    case Kind::kDate:
      return rows_ * 4;
    case Kind::kString:
      return (rows_ + 1) * 4;
    default:
      return rows_ * 8;
  }
}

Result<std::vector<Output>> Output::Reserve(const std::vector<ProgramResult>& results,
                                            int64_t rows) {
  const auto padded = [](int64_t bytes) { return (bytes + 63) / 64 * 64; };
  std::vector<Output> outputs;
  outputs.reserve(results.size());
  int64_t total = 0;
  for (const ProgramResult& result : results) {
    outputs.push_back(Output(result, rows));
    total += padded(outputs.back().ValueBytes());
  }
  std::shared_ptr<SharedMemory> shared;
  if (rows <= kFewRows && results.size() > 1) {
    shared = std::make_shared<SharedMemory>(results.size());
    ARROW_ASSIGN_OR_RAISE(shared->memory, arrow::AllocateBuffer(total));
  }
  int64_t at = 0;
  for (size_t k = 0; k < outputs.size(); ++k) {
    Output& output = outputs[k];
    const int64_t bytes = output.ValueBytes();
    if (shared != nullptr) {
      auto& piece = shared->pieces[k];
      piece.emplace(shared->memory->mutable_data() + at, bytes);
      output.values_ = std::shared_ptr<arrow::Buffer>(shared, &*piece);
      at += padded(bytes);
    } else {
      ARROW_ASSIGN_OR_RAISE(output.values_, arrow::AllocateBuffer(bytes));
    }
    if (output.result_->kind == Kind::kBool || output.result_->kind == Kind::kString) {
      // Bits are put in by or; the first offset is zero.
      std::memset(output.values_->mutable_data(), 0, static_cast<size_t>(bytes));
    }
  }
  return outputs;
}

Status Output::Append(const Register& chunk, int64_t rows) {
  ARROW_RETURN_NOT_OK(AppendValidity(chunk, rows));
  switch (result_->kind) {
    case Kind::kNull:
    case Kind::kFloatList:
    case Kind::kDoubleList:
    case Kind::kMap:
    case Kind::kStruct:
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
  if (result_->kind == Kind::kNull) return Status::OK();
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
  const auto present = [&](int64_t i) { return !chunk.has_nulls || chunk.valid[i] != 0; };
  int64_t bytes = text_bytes_;
  auto* offsets = reinterpret_cast<int32_t*>(values_->mutable_data()) + done_ + 1;
  for (int64_t i = 0; i < rows; ++i) {
    if (present(i)) bytes += static_cast<int64_t>(from[i].size());
    if (bytes > std::numeric_limits<int32_t>::max()) {
      return Status::CapacityError("an expression's texts exceed 2 GiB in one batch of ", rows_,
                                   " rows; use smaller batches");
    }
    offsets[i] = static_cast<int32_t>(bytes);
  }
  if (texts_ == nullptr) {
    // A guess for all rows from the first ones, so that few texts are moved.
    const int64_t guess = rows_ > rows ? bytes / rows * rows_ : bytes;
    ARROW_ASSIGN_OR_RAISE(texts_, arrow::AllocateResizableBuffer(guess));
  }
  if (bytes > texts_->size()) {
    ARROW_RETURN_NOT_OK(texts_->Resize(std::max(bytes, texts_->size() * 2), false));
  }
  char* to = reinterpret_cast<char*>(texts_->mutable_data()) + text_bytes_;
  for (int64_t i = 0; i < rows; ++i) {
    if (!present(i) || from[i].empty()) continue;
    std::memcpy(to, from[i].data(), from[i].size());
    to += from[i].size();
  }
  text_bytes_ = bytes;
  return Status::OK();
}

Status Output::FinishInto(arrow::ArrayData* data) {
  data->type = result_->type;
  data->length = rows_;
  data->null_count = result_->kind == Kind::kNull ? rows_ : nulls_;
  data->buffers.reserve(result_->kind == Kind::kString ? 3 : 2);
  data->buffers.push_back(std::move(validity_));
  if (result_->kind == Kind::kNull) return Status::OK();
  data->buffers.push_back(std::move(values_));
  if (result_->kind != Kind::kString) return Status::OK();
  if (texts_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(texts_, arrow::AllocateResizableBuffer(0));
  }
  ARROW_RETURN_NOT_OK(texts_->Resize(text_bytes_));
  data->buffers.push_back(std::move(texts_));
  return Status::OK();
}

Result<arrow::ArrayDataVector> Output::Finish(std::vector<Output> outputs) {
  // The descriptions of few rows lie side by side as well, and live as long as one of them is used.
  std::shared_ptr<std::vector<arrow::ArrayData>> shared;
  if (!outputs.empty() && outputs[0].rows_ <= kFewRows) {
    shared = std::make_shared<std::vector<arrow::ArrayData>>(outputs.size());
  }
  arrow::ArrayDataVector arrays;
  arrays.reserve(outputs.size());
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (shared != nullptr) {
      arrays.emplace_back(shared, &(*shared)[k]);
    } else {
      arrays.push_back(std::make_shared<arrow::ArrayData>());
    }
    ARROW_RETURN_NOT_OK(outputs[k].FinishInto(arrays.back().get()));
  }
  return arrays;
}

}  // namespace tercet::expr
