#include <cstring>

#include "base/utf8.h"
#include "client/json_rows.h"
#include "server/inference_request.h"

namespace tercet {
namespace {

/// The type as which a tensor's values are read for a column; NA where the short way is not for it.
arrow::Type::type ReadAs(std::string_view datatype, const arrow::DataType& column) {
  const arrow::Type::type type = column.id();
  const bool taken = arrow::is_integer(type) || type == arrow::Type::FLOAT ||
                     type == arrow::Type::DOUBLE || type == arrow::Type::STRING ||
                     type == arrow::Type::LARGE_STRING;
  if (!taken) return arrow::Type::NA;
  if (datatype == DatatypeOf(column)) return type;
  if (datatype == "FP32" && type == arrow::Type::DOUBLE) return arrow::Type::FLOAT;
  if (datatype == "INT32" && type == arrow::Type::INT64) return arrow::Type::INT32;
  return arrow::Type::NA;
}

template <typename Narrow, typename Wide>
void Widen(uint64_t* number, Cell* cell) {
  const Wide wide = cell->As<Narrow>();
  std::memcpy(number, &wide, sizeof(wide));
  *cell = {reinterpret_cast<const char*>(number), sizeof(wide)};
}

/// The values of one tensor, in row-major order.
class TensorValues {
 public:
  /// False where they are not as many as the shape says.
  bool Open(const InputTensor& tensor) {
    leaves_.clear();
    texts_.clear();
    tensor_ = &tensor;
    count_ = static_cast<size_t>(tensor.rows * tensor.width);
    if (tensor.binary) return tensor.datatype != "BYTES" || ReadTexts(*tensor.binary);
    FlattenJson(*tensor.data, &leaves_);
    return leaves_.size() == count_;
  }

  /// One value as a cell of a column; the number, where it is not that of the body, into `number`.
  bool At(size_t index, const arrow::DataType& column, uint64_t* number, Cell* cell) const {
    const arrow::Type::type type = ReadAs(tensor_->datatype, column);
    if (type == arrow::Type::NA) return false;
    if (!tensor_->binary) {
      if (!CellFromJson(*leaves_[index], type, number, cell)) return false;
    } else if (!arrow::is_primitive(type)) {
      if (!IsUtf8(texts_[index])) return false;
      *cell = {texts_[index].data(), static_cast<uint32_t>(texts_[index].size())};
    } else {
      const auto size = static_cast<uint32_t>(arrow::bit_width(type) / 8);
      if (tensor_->binary->size() != count_ * size) return false;
      *cell = {tensor_->binary->data() + index * size, size};
    }
    if (cell->null() || type == column.id()) return true;
    type == arrow::Type::FLOAT ? Widen<float, double>(number, cell)
                               : Widen<int32_t, int64_t>(number, cell);
    return true;
  }

 private:
  /// Each has its length before it, in 32 bits.
  bool ReadTexts(std::string_view bytes) {
    uint32_t size = 0;
    while (texts_.size() < count_) {
      if (bytes.size() < sizeof(size)) return false;
      std::memcpy(&size, bytes.data(), sizeof(size));
      bytes.remove_prefix(sizeof(size));
      if (bytes.size() < size) return false;
      texts_.push_back(bytes.substr(0, size));
      bytes.remove_prefix(size);
    }
    return bytes.empty();
  }

  const InputTensor* tensor_ = nullptr;
  size_t count_ = 0;
  std::vector<const json::value*> leaves_;
  std::vector<std::string_view> texts_;
};

}  // namespace

bool CellsOf(const InferenceRequest& request, const arrow::Schema& needed,
             const arrow::Schema& known, size_t most, std::vector<Cell>* cells,
             std::vector<uint64_t>* numbers) {
  const auto columns = static_cast<size_t>(needed.num_fields());
  const InputTensor& first = request.inputs[0];
  const auto rows = static_cast<size_t>(first.rows);
  const bool matrix = request.inputs.size() == 1 && columns > 1 &&
                      first.width == needed.num_fields() && known.GetFieldIndex(first.name) < 0;
  if (rows > most || (!matrix && request.inputs.size() != columns)) return false;
  cells->assign(rows * columns, Cell());
  numbers->resize(rows * columns);
  thread_local TensorValues values;
  if (matrix && !values.Open(first)) return false;
  for (size_t c = 0; c < columns; ++c) {
    const auto& field = needed.field(static_cast<int>(c));
    const InputTensor* tensor = &first;
    if (!matrix) {
      // Mostly they come in the columns' order.
      tensor = &request.inputs[c];
      for (size_t i = 0; tensor->name != field->name(); ++i) {
        if (i == columns) return false;
        tensor = &request.inputs[i];
      }
      if (tensor->width != 1 || !values.Open(*tensor)) return false;
    }
    for (size_t row = 0; row < rows; ++row) {
      const size_t index = matrix ? row * columns + c : row;
      const size_t to = row * columns + c;
      if (!values.At(index, *field->type(), &(*numbers)[to], &(*cells)[to])) return false;
    }
  }
  return true;
}

}  // namespace tercet
