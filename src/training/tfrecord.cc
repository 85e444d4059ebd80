#include "training/tfrecord.h"

#include <array>
#include <cstring>

#include <arrow/compute/api.h>

namespace tercet {
namespace {

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ ((rest & 1) != 0 ? 0x82F63B78u : 0);
    table[byte] = rest;
  }
  return table;
}();

/// So that a checksum of bytes that hold checksums is no weak one.
uint32_t Masked(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

template <typename T>
void PutFixed(T number, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));  // little-endian, as every machine that we build for
  out->append(bytes, sizeof(T));
}

void PutVarint(uint64_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(number | 0x80));
  out->push_back(static_cast<char>(number));
}

/// A length-delimited field of a protocol buffer.
void PutField(int field, std::string_view bytes, std::string* out) {
  PutVarint(static_cast<uint64_t>(field) << 3 | 2, out);
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

/// The members of message Feature, which is one of three lists.
enum List { kBytes = 1, kFloats = 2, kIntegers = 3 };

/// One column in the form that its values are written from.
struct Column {
  std::string name;
  List list;
  std::shared_ptr<arrow::ChunkedArray> values;  ///< large_binary, float or int64
};

Result<Column> ColumnOf(const arrow::Table& table, int index) {
  const auto& column = table.column(index);
  const arrow::DataType& type = *column->type();
  std::shared_ptr<arrow::DataType> wanted;
  Column made{table.field(index)->name(), kIntegers, column};
  if (arrow::is_floating(type.id()) || arrow::is_decimal(type.id())) {
    made.list = kFloats;
    wanted = arrow::float32();
  } else if (arrow::is_base_binary_like(type.id())) {
    made.list = kBytes;
    wanted = arrow::large_binary();
  } else if (type.id() == arrow::Type::DATE32) {
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum days,
                          arrow::compute::Cast(column, arrow::int32()));
    made.values = days.chunked_array();
    wanted = arrow::int64();
  } else if (arrow::is_integer(type.id()) || type.id() == arrow::Type::BOOL ||
             type.id() == arrow::Type::TIMESTAMP) {
    wanted = arrow::int64();
  } else {
    return Status::TypeError("column '", made.name, "' of type ", type.ToString(),
                             " has no form in TFRecord; write Parquet or Arrow instead");
  }
  // Sixty-four bits of a float are rounded, unsigned integers wrap as C does: no row is refused.
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Unsafe(wanted);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast, arrow::compute::Cast(made.values, options));
  made.values = cast.chunked_array();
  return made;
}

/// The value's list, as message Feature has it.
std::string FeatureOf(List list, const arrow::Array& values, int64_t row) {
  std::string content;
  if (list == kBytes) {
    PutField(1, static_cast<const arrow::LargeBinaryArray&>(values).GetView(row), &content);
  } else {
    std::string packed;
    if (list == kFloats) {
      PutFixed(static_cast<const arrow::FloatArray&>(values).Value(row), &packed);
    } else {
      PutVarint(static_cast<uint64_t>(static_cast<const arrow::Int64Array&>(values).Value(row)),
                &packed);
    }
    PutField(1, packed, &content);
  }
  std::string feature;
  PutField(list, content, &feature);
  return feature;
}

Status WriteRecord(std::string_view bytes, arrow::io::OutputStream* stream) {
  std::string head;
  PutFixed<uint64_t>(bytes.size(), &head);
  PutFixed(Masked(head), &head);
  std::string tail;
  PutFixed(Masked(bytes), &tail);
  ARROW_RETURN_NOT_OK(stream->Write(head.data(), static_cast<int64_t>(head.size())));
  ARROW_RETURN_NOT_OK(stream->Write(bytes.data(), static_cast<int64_t>(bytes.size())));
  return stream->Write(tail.data(), static_cast<int64_t>(tail.size()));
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    crc = kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ crc >> 8;
  }
  return ~crc;
}

Status WriteTfRecords(const arrow::Table& table, arrow::io::OutputStream* stream) {
  std::vector<Column> columns;
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector arrays;
  for (int k = 0; k < table.num_columns(); ++k) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), ColumnOf(table, k));
    fields.push_back(arrow::field(columns.back().name, columns.back().values->type()));
    arrays.push_back(columns.back().values);
  }
  // One chunking for all columns.
  const auto cast = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(arrays),
                                       table.num_rows());
  arrow::TableBatchReader reader(*cast);
  std::shared_ptr<arrow::RecordBatch> batch;
  while (true) {
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) return Status::OK();
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string features;
      for (size_t k = 0; k < columns.size(); ++k) {
        const arrow::Array& values = *batch->column(static_cast<int>(k));
        if (values.IsNull(row)) continue;
        std::string entry;
        PutField(1, columns[k].name, &entry);
        PutField(2, FeatureOf(columns[k].list, values, row), &entry);
        PutField(1, entry, &features);
      }
      std::string example;
      PutField(1, features, &example);
      ARROW_RETURN_NOT_OK(WriteRecord(example, stream));
    }
  }
}

}  // namespace tercet
