#include "view/column_gather.h"

#include <cstring>
#include <limits>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type_traits.h>
#include <arrow/util/logging.h>

#include "base/parallel.h"
#include "view/fixed_gather.h"
#include "view/row_flags.h"

namespace tercet {
namespace {

struct Validity {
  std::shared_ptr<arrow::Buffer> bitmap;  ///< null when all are valid
  int64_t null_count = 0;
};

Result<Validity> ValidityOf(const RowFlags& valid, int64_t rows) {
  Validity validity;
  int64_t set = 0;
  ARROW_ASSIGN_OR_RAISE(validity.bitmap, valid.Pack(&set));
  validity.null_count = rows - set;
  if (validity.null_count == 0) validity.bitmap = nullptr;
  return validity;
}

std::shared_ptr<arrow::ChunkedArray> OneChunk(std::shared_ptr<arrow::ArrayData> data) {
  return std::make_shared<arrow::ChunkedArray>(arrow::MakeArray(std::move(data)));
}

class BooleanGather : public ColumnGather {
 public:
  explicit BooleanGather(int64_t rows) : rows_(rows), values_(rows), valid_(rows) {}

  Status Gather(int, const arrow::Array& source, const GatherBlock& block) override {
    const auto& booleans = static_cast<const arrow::BooleanArray&>(source);
    for (int64_t i = 0; i < block.size; ++i) {
      const int64_t row = block.from[i];
      if (row < 0 || booleans.IsNull(row)) continue;
      const int64_t target = block.target(i);
      values_.data()[target] = booleans.Value(row) ? 1 : 0;
      valid_.data()[target] = 1;
    }
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::ChunkedArray>> Finish() override {
    ARROW_ASSIGN_OR_RAISE(const Validity validity, ValidityOf(valid_, rows_));
    int64_t set = 0;
    ARROW_ASSIGN_OR_RAISE(auto values, values_.Pack(&set));
    return OneChunk(arrow::ArrayData::Make(
        arrow::boolean(), rows_, {validity.bitmap, std::move(values)}, validity.null_count));
  }

 private:
  const int64_t rows_;
  RowFlags values_, valid_;
};

/// Strings and binary with offsets of 32 or 64 bits.
template <typename ArrayType>
class BytesGather : public ColumnGather {
 public:
  using Offset = typename ArrayType::offset_type;

  BytesGather(std::shared_ptr<arrow::DataType> type, int64_t rows, int tasks)
      : type_(std::move(type)),
        places_(static_cast<size_t>(rows)),
        arenas_(static_cast<size_t>(tasks)),
        valid_(rows) {}

  Status Gather(int task, const arrow::Array& source, const GatherBlock& block) override {
    const auto& strings = static_cast<const ArrayType&>(source);
    std::vector<uint8_t>& arena = arenas_[static_cast<size_t>(task)];
    int64_t last_row = -1;
    Place last;
    for (int64_t i = 0; i < block.size; ++i) {
      const int64_t row = block.from[i];
      if (row < 0 || strings.IsNull(row)) continue;
      const int64_t target = block.target(i);
      valid_.data()[target] = 1;
      if (row != last_row) {  // many left rows may see one right row: its bytes are kept once
        const std::string_view value = strings.GetView(row);
        last = {static_cast<uint32_t>(task), static_cast<uint32_t>(value.size()), arena.size()};
        arena.insert(arena.end(), value.begin(), value.end());
        last_row = row;
      }
      places_[static_cast<size_t>(target)] = last;
    }
    return Status::OK();
  }

  /// More chunks than one where the bytes would not fit in the offsets of one.
  Result<std::shared_ptr<arrow::ChunkedArray>> Finish() override {
    const auto rows = static_cast<int64_t>(places_.size());
    arrow::ArrayVector chunks;
    int64_t begin = 0;
    do {
      int64_t end = begin, bytes = 0;
      while (end < rows) {
        const int64_t size = places_[static_cast<size_t>(end)].size;
        if (bytes + size > std::numeric_limits<Offset>::max()) break;
        bytes += size;
        ++end;
      }
      ARROW_ASSIGN_OR_RAISE(chunks.emplace_back(), Chunk(begin, end, bytes));
      begin = end;
    } while (begin < rows);
    return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type_);
  }

 private:
  struct Place {
    uint32_t task = 0;
    uint32_t size = 0;
    uint64_t begin = 0;  ///< in the task's arena
  };

  Result<std::shared_ptr<arrow::Array>> Chunk(int64_t begin, int64_t end, int64_t bytes) {
    const int64_t rows = end - begin;
    ARROW_ASSIGN_OR_RAISE(auto offsets, arrow::AllocateBuffer((rows + 1) * sizeof(Offset)));
    ARROW_ASSIGN_OR_RAISE(auto data, arrow::AllocateBuffer(bytes));
    RowFlags valid(rows);
    auto* offset = reinterpret_cast<Offset*>(offsets->mutable_data());
    Offset at = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const Place& place = places_[static_cast<size_t>(begin + i)];
      offset[i] = at;
      valid.data()[i] = valid_.data()[begin + i];
      if (place.size == 0) continue;
      std::memcpy(data->mutable_data() + at, arenas_[place.task].data() + place.begin, place.size);
      at += static_cast<Offset>(place.size);
    }
    offset[rows] = at;
    ARROW_ASSIGN_OR_RAISE(const Validity validity, ValidityOf(valid, rows));
    return arrow::MakeArray(arrow::ArrayData::Make(
        type_, rows, {validity.bitmap, std::move(offsets), std::move(data)}, validity.null_count));
  }

  const std::shared_ptr<arrow::DataType> type_;
  std::vector<Place> places_;
  std::vector<std::vector<uint8_t>> arenas_;
  RowFlags valid_;
};

/// Lists and whatever else: pieces in the order of the blocks, put in the rows' order at the end.
class TakeGather : public ColumnGather {
 public:
  TakeGather(std::shared_ptr<arrow::DataType> type, int64_t rows, int tasks)
      : type_(std::move(type)), rows_(rows), tasks_(static_cast<size_t>(tasks)) {}

  Status Gather(int task, const arrow::Array& source, const GatherBlock& block) override {
    arrow::Int32Builder rows;
    Pieces& pieces = tasks_[static_cast<size_t>(task)];
    for (int64_t i = 0; i < block.size; ++i) {
      if (block.from[i] < 0 || source.IsNull(block.from[i])) continue;
      ARROW_RETURN_NOT_OK(rows.Append(block.from[i]));
      pieces.targets.push_back(static_cast<uint32_t>(block.target(i)));
    }
    if (rows.length() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto indices, rows.Finish());
    ARROW_ASSIGN_OR_RAISE(
        auto piece,
        arrow::compute::Take(source, *indices, arrow::compute::TakeOptions::NoBoundsCheck()));
    pieces.arrays.push_back(std::move(piece));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::ChunkedArray>> Finish() override {
    arrow::ArrayVector arrays;
    std::vector<int64_t> place(static_cast<size_t>(rows_), -1);
    int64_t next = 0;
    for (const Pieces& pieces : tasks_) {
      arrays.insert(arrays.end(), pieces.arrays.begin(), pieces.arrays.end());
      for (const uint32_t target : pieces.targets) place[target] = next++;
    }
    if (arrays.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(type_, rows_));
      return std::make_shared<arrow::ChunkedArray>(std::move(nulls));
    }
    ARROW_ASSIGN_OR_RAISE(const auto values, arrow::Concatenate(arrays));
    arrow::Int64Builder indices;
    ARROW_RETURN_NOT_OK(indices.Reserve(rows_));
    for (const int64_t row : place) {
      row < 0 ? indices.UnsafeAppendNull() : indices.UnsafeAppend(row);
    }
    ARROW_ASSIGN_OR_RAISE(const auto order, indices.Finish());
    ARROW_ASSIGN_OR_RAISE(
        auto column,
        arrow::compute::Take(*values, *order, arrow::compute::TakeOptions::NoBoundsCheck()));
    return std::make_shared<arrow::ChunkedArray>(std::move(column));
  }

 private:
  struct Pieces {
    arrow::ArrayVector arrays;
    std::vector<uint32_t> targets;
  };

  const std::shared_ptr<arrow::DataType> type_;
  const int64_t rows_;
  std::vector<Pieces> tasks_;
};

}  // namespace

Status ColumnGather::GatherPlain(const PlainColumn&, const GatherBlock&) {
  return Status::UnknownError("plain values for a column that has none");
}

Status ColumnGather::PutPlain(const PlainColumn&, int64_t, int64_t) {
  return Status::UnknownError("plain values for a column that has none");
}

void ColumnGather::PutNulls(const GatherBlock&) {}  // rows that no block names are null

GatherTarget ColumnGather::later() {
  ARROW_CHECK(false) << "a column that is not gathered later";
  return {};
}

Result<std::unique_ptr<ColumnGather>> ColumnGather::Make(
    const std::shared_ptr<arrow::DataType>& type, int64_t rows, int tasks, GatherOrder order,
    arrow::MemoryPool* memory) {
  InitializeArrow();
  switch (type->id()) {
    case arrow::Type::BOOL:
      return std::make_unique<BooleanGather>(rows);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return std::make_unique<BytesGather<arrow::BinaryArray>>(type, rows, tasks);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return std::make_unique<BytesGather<arrow::LargeBinaryArray>>(type, rows, tasks);
    default:
      if (arrow::is_fixed_width(type->id()) && type->id() != arrow::Type::DICTIONARY &&
          type->id() != arrow::Type::FIXED_SIZE_LIST) {
        return FixedGather::Make(type, rows, order, memory);
      }
      return std::make_unique<TakeGather>(type, rows, tasks);
  }
}

}  // namespace tercet
