#include "training/canonical_table.h"

#include <cstring>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "base/hash.h"
#include "base/parallel.h"

namespace tercet {
namespace {

using ArrayPointer = std::shared_ptr<arrow::Array>;
using BufferPointer = std::shared_ptr<arrow::Buffer>;

constexpr int64_t kBatchRows = 65536;

Result<ArrayPointer> Canonical(const ArrayPointer& array);

Result<std::unique_ptr<arrow::Buffer>> Zeros(int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(bytes));
  std::memset(buffer->mutable_data(), 0, bytes);
  return buffer;
}

void ClearPadding(int64_t bits, arrow::Buffer* bitmap) {
  for (int64_t i = bits; i < bitmap->size() * 8; ++i) {
    arrow::bit_util::ClearBit(bitmap->mutable_data(), i);
  }
}

Result<BufferPointer> Bits(const uint8_t* bits, int64_t offset, int64_t length) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, Zeros(arrow::bit_util::BytesForBits(length)));
  arrow::internal::CopyBitmap(bits, offset, length, buffer->mutable_data(), 0);
  ClearPadding(length, buffer.get());
  return BufferPointer(std::move(buffer));
}

Result<BufferPointer> Validity(const arrow::Array& array) {
  if (array.null_count() == 0 || array.null_bitmap_data() == nullptr) return nullptr;
  return Bits(array.null_bitmap_data(), array.offset(), array.length());
}

Result<ArrayPointer> CanonicalFixedWidth(const arrow::Array& array, int64_t width) {
  const int64_t length = array.length();
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  ARROW_ASSIGN_OR_RAISE(auto values, arrow::AllocateBuffer(length * width));
  const auto& buffer = array.data()->buffers[1];
  if (length > 0) {
    std::memcpy(values->mutable_data(), buffer->data() + array.offset() * width, length * width);
  }
  if (validity != nullptr) {
    for (int64_t i = 0; i < length; ++i) {
      if (array.IsNull(i)) std::memset(values->mutable_data() + i * width, 0, width);
    }
  }
  return arrow::MakeArray(arrow::ArrayData::Make(array.type(), length,
                                                 {validity, BufferPointer(std::move(values))},
                                                 array.null_count()));
}

Result<ArrayPointer> CanonicalBoolean(const arrow::BooleanArray& array) {
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  ARROW_ASSIGN_OR_RAISE(BufferPointer values,
                        Bits(array.values()->data(), array.offset(), array.length()));
  if (validity != nullptr) {
    uint8_t* bits = values->mutable_data();
    for (int64_t i = 0; i < values->size(); ++i) bits[i] &= validity->data()[i];
  }
  return arrow::MakeArray(arrow::ArrayData::Make(array.type(), array.length(), {validity, values},
                                                 array.null_count()));
}

/// Where the valid values of texts, lists or maps are when they lie end to end.
template <typename ArrayType>
Result<BufferPointer> Offsets(const ArrayType& array) {
  using Offset = typename ArrayType::offset_type;
  const int64_t length = array.length();
  ARROW_ASSIGN_OR_RAISE(BufferPointer offsets,
                        arrow::AllocateBuffer((length + 1) * int64_t{sizeof(Offset)}));
  auto* offset = reinterpret_cast<Offset*>(offsets->mutable_data());
  offset[0] = 0;
  for (int64_t i = 0; i < length; ++i) {
    offset[i + 1] = offset[i] + (array.IsNull(i) ? 0 : array.value_length(i));
  }
  return offsets;
}

/// Strings and binaries: the bytes of the valid values, end to end.
template <typename ArrayType>
Result<ArrayPointer> CanonicalBinary(const ArrayType& array) {
  using Offset = typename ArrayType::offset_type;
  const int64_t length = array.length();
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  ARROW_ASSIGN_OR_RAISE(BufferPointer offsets, Offsets(array));
  const auto* offset = reinterpret_cast<const Offset*>(offsets->data());
  ARROW_ASSIGN_OR_RAISE(auto bytes, arrow::AllocateBuffer(offset[length]));
  for (int64_t i = 0; i < length; ++i) {
    const int64_t size = offset[i + 1] - offset[i];
    if (size > 0) {
      std::memcpy(bytes->mutable_data() + offset[i], array.GetView(i).data(), size);
    }
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      array.type(), length,
      {validity, std::move(offsets), BufferPointer(std::move(bytes))},
      array.null_count()));
}

/// The list's type with items as they became.
std::shared_ptr<arrow::DataType> TypeWithItems(const arrow::DataType& list,
                                               const std::shared_ptr<arrow::DataType>& items) {
  const auto field = list.field(0)->WithType(items);
  switch (list.id()) {
    case arrow::Type::MAP:  // its fields are called what whoever made it called them
      return arrow::map(items->field(0)->type(), items->field(1)->type());
    case arrow::Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(
          field, static_cast<const arrow::FixedSizeListType&>(list).list_size());
    case arrow::Type::LARGE_LIST:
      return arrow::large_list(field);
    default:
      return arrow::list(field);
  }
}

/// Lists and maps: the canonical items of the valid ones, end to end.
template <typename ArrayType>
Result<ArrayPointer> CanonicalList(const ArrayType& array) {
  const int64_t length = array.length();
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  ARROW_ASSIGN_OR_RAISE(BufferPointer offsets, Offsets(array));
  ARROW_ASSIGN_OR_RAISE(ArrayPointer items, array.Flatten());
  ARROW_ASSIGN_OR_RAISE(items, Canonical(items));
  const auto type = TypeWithItems(*array.type(), items->type());
  auto data = items->data();
  if (type->id() == arrow::Type::MAP) {
    data = data->Copy();
    data->type = type->field(0)->type();
  }
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, length, {validity, std::move(offsets)}, {std::move(data)},
      array.null_count()));
}

/// Fixed-size lists: null lists have null items.
Result<ArrayPointer> CanonicalFixedSizeList(const arrow::FixedSizeListArray& array) {
  const int64_t length = array.length(), size = array.value_length(0);
  arrow::Int64Builder items_of;
  ARROW_RETURN_NOT_OK(items_of.Reserve(length * size));
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t k = 0; k < size; ++k) {
      if (array.IsNull(i)) {
        items_of.UnsafeAppendNull();
      } else {
        items_of.UnsafeAppend(array.value_offset(i) + k);
      }
    }
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer indices, items_of.Finish());
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(array.values(), indices));
  ARROW_ASSIGN_OR_RAISE(const ArrayPointer items, Canonical(taken.make_array()));
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  return arrow::MakeArray(arrow::ArrayData::Make(TypeWithItems(*array.type(), items->type()),
                                                 length, {validity}, {items->data()},
                                                 array.null_count()));
}

/// Structs: a null struct has null fields.
Result<ArrayPointer> CanonicalStruct(const arrow::StructArray& array) {
  ARROW_ASSIGN_OR_RAISE(BufferPointer validity, Validity(array));
  ARROW_ASSIGN_OR_RAISE(const arrow::ArrayVector fields, array.Flatten());
  arrow::FieldVector types;
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (int i = 0; i < array.num_fields(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const ArrayPointer canonical, Canonical(fields[i]));
    types.push_back(array.struct_type()->field(i)->WithType(canonical->type()));
    children.push_back(canonical->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::struct_(types), array.length(), {validity},
                                                 std::move(children), array.null_count()));
}

Result<ArrayPointer> CanonicalAs(const ArrayPointer& array,
                                 const std::shared_ptr<arrow::DataType>& type) {
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum plain, arrow::compute::Cast(array, type));
  return Canonical(plain.make_array());
}

Result<ArrayPointer> Canonical(const ArrayPointer& array) {
  const arrow::DataType& type = *array->type();
  switch (type.id()) {
    case arrow::Type::NA:
      return arrow::MakeArrayOfNull(array->type(), array->length());
    case arrow::Type::BOOL:
      return CanonicalBoolean(static_cast<const arrow::BooleanArray&>(*array));
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return CanonicalBinary(static_cast<const arrow::BinaryArray&>(*array));
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return CanonicalBinary(static_cast<const arrow::LargeBinaryArray&>(*array));
    case arrow::Type::LIST:
    case arrow::Type::MAP:  // a list of structs of a key and a value
      return CanonicalList(static_cast<const arrow::ListArray&>(*array));
    case arrow::Type::LARGE_LIST:
      return CanonicalList(static_cast<const arrow::LargeListArray&>(*array));
    case arrow::Type::FIXED_SIZE_LIST:
      return CanonicalFixedSizeList(static_cast<const arrow::FixedSizeListArray&>(*array));
    case arrow::Type::STRUCT:
      return CanonicalStruct(static_cast<const arrow::StructArray&>(*array));
    case arrow::Type::STRING_VIEW:
      return CanonicalAs(array, arrow::utf8());
    case arrow::Type::BINARY_VIEW:
      return CanonicalAs(array, arrow::binary());
    case arrow::Type::DICTIONARY:
      return CanonicalAs(array, static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      break;
  }
  const auto* fixed = dynamic_cast<const arrow::FixedWidthType*>(&type);
  if (fixed != nullptr && fixed->bit_width() % 8 == 0) {
    return CanonicalFixedWidth(*array, fixed->bit_width() / 8);
  }
  return Status::TypeError("a training dataset can't have a column of type ", type.ToString());
}

/// An output stream that only hashes what is written to it.
class HashingStream : public arrow::io::OutputStream {
 public:
  HashingStream() { set_mode(arrow::io::FileMode::WRITE); }
  arrow::Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return position_; }
  arrow::Status Write(const void* data, int64_t size) override {
    sha256_.Update(data, static_cast<size_t>(size));
    position_ += size;
    return Status::OK();
  }
  using arrow::io::OutputStream::Write;
  std::string FinishHex() { return sha256_.FinishHex(); }

 private:
  Sha256 sha256_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace

Result<std::shared_ptr<arrow::Table>> CanonicalTable(const arrow::Table& table) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns(table.num_columns());
  ARROW_RETURN_NOT_OK(ParallelFor(table.num_columns(), [&](int64_t i) -> Status {
    const auto& column = table.column(static_cast<int>(i));
    ArrayPointer whole;
    if (column->num_chunks() == 1) {
      whole = column->chunk(0);
    } else if (column->num_chunks() == 0) {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::MakeEmptyArray(column->type()));
    } else {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::Concatenate(column->chunks()));
    }
    Result<ArrayPointer> canonical = Canonical(whole);
    if (!canonical.ok()) {
      return Explain(canonical.status(),
                     "column '" + table.field(static_cast<int>(i))->name() + "'");
    }
    columns[i] = std::make_shared<arrow::ChunkedArray>(*std::move(canonical));
    return Status::OK();
  }));
  arrow::FieldVector fields;
  for (int i = 0; i < table.num_columns(); ++i) {
    const auto& field = table.field(i);
    fields.push_back(arrow::field(field->name(), columns[i]->type(), field->nullable()));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                            table.num_rows());
}

Result<std::string> ContentAddress(const arrow::Table& canonical) {
  HashingStream stream;
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(&stream, canonical.schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(canonical, kBatchRows));
  ARROW_RETURN_NOT_OK(writer->Close());
  return stream.FinishHex();
}

}  // namespace tercet
