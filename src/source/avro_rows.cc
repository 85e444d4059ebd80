#include "source/avro_rows.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/builder.h>
#include <arrow/table_builder.h>
#include <arrow/util/decimal.h>

#include "source/field_id.h"
#include "source/uuid_text.h"

namespace tercet {
namespace {

/// Of items that take no bytes, a list has no more.
constexpr int64_t kMostEmptyItems = 1000;
constexpr int64_t kMicrosPerDay = 86'400'000'000, kNanosPerMicro = 1000;

/// Takes values from bytes and puts them into a builder, or nowhere.
class Reader {
 public:
  static Result<std::unique_ptr<Reader>> Make(const AvroNode& node, const arrow::DataType* type);
  virtual ~Reader() = default;

  /// `builder`: of the type that this was made for; null: the value is skipped.
  Status Take(AvroBytes* bytes, arrow::ArrayBuilder* builder) const {
    if (node_.null_branch >= 0) {
      ARROW_ASSIGN_OR_RAISE(const int64_t branch, bytes->TakeLong());
      if (branch < 0 || branch > 1) return Status::Invalid("branch ", branch, " of a union of 2");
      if (branch == node_.null_branch) {
        return builder == nullptr ? Status::OK() : builder->AppendNull();
      }
    }
    return TakeValue(bytes, builder);
  }

 protected:
  explicit Reader(const AvroNode& node) : node_(node) {}
  virtual Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const = 0;

  const AvroNode node_;
};

template <typename Builder, typename Value>
Status Put(arrow::ArrayBuilder* builder, Value&& value) {
  return static_cast<Builder*>(builder)->Append(std::forward<Value>(value));
}

class NumberReader : public Reader {
 public:
  NumberReader(const AvroNode& node, const arrow::DataType* type)
      : Reader(node),
        target_(type == nullptr ? arrow::Type::DOUBLE : type->id()),
        factor_(node.multiple) {
    if (target_ != arrow::Type::TIMESTAMP) return;
    if (node.is_date) factor_ = kMicrosPerDay;
    const bool to_nanos =
        static_cast<const arrow::TimestampType*>(type)->unit() == arrow::TimeUnit::NANO;
    if (to_nanos && !node.is_nanos) factor_ *= kNanosPerMicro;
    if (!to_nanos && node.is_nanos) divisor_ = kNanosPerMicro;
  }

 protected:
  Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const override {
    if (node_.kind == AvroNode::Kind::kLong) {
      ARROW_ASSIGN_OR_RAISE(int64_t value, bytes->TakeLong());
      if (builder == nullptr) return Status::OK();
      if (__builtin_mul_overflow(value, factor_, &value)) {
        return Status::Invalid("a time is out of range");
      }
      // Towards the past, as nanoseconds are cut off elsewhere.
      if (divisor_ > 1) value = value / divisor_ - (value % divisor_ < 0 ? 1 : 0);
      switch (target_) {
        case arrow::Type::INT32: return PutInt<arrow::Int32Builder>(builder, value);
        case arrow::Type::DATE32: return PutInt<arrow::Date32Builder>(builder, value);
        case arrow::Type::INT64: return Put<arrow::Int64Builder>(builder, value);
        case arrow::Type::TIME64: return Put<arrow::Time64Builder>(builder, value);
        case arrow::Type::TIMESTAMP: return Put<arrow::TimestampBuilder>(builder, value);
        case arrow::Type::STRING:
          return Put<arrow::StringBuilder>(builder, std::to_string(value));
        default: return PutDouble(builder, static_cast<double>(value));
      }
    }
    ARROW_ASSIGN_OR_RAISE(const double value, node_.kind == AvroNode::Kind::kFloat
                                                  ? bytes->TakeFloat<float>()
                                                  : bytes->TakeFloat<double>());
    return builder == nullptr ? Status::OK() : PutDouble(builder, value);
  }

 private:
  template <typename Builder>
  static Status PutInt(arrow::ArrayBuilder* builder, int64_t value) {
    if (value != static_cast<int32_t>(value)) return Status::Invalid(value, " is no int");
    return Put<Builder>(builder, static_cast<int32_t>(value));
  }

  Status PutDouble(arrow::ArrayBuilder* builder, double value) const {
    if (target_ == arrow::Type::FLOAT) {
      return Put<arrow::FloatBuilder>(builder, static_cast<float>(value));
    }
    return Put<arrow::DoubleBuilder>(builder, value);
  }

  const arrow::Type::type target_;
  int64_t factor_, divisor_ = 1;
};

class BoolReader : public Reader {
 public:
  explicit BoolReader(const AvroNode& node) : Reader(node) {}

 protected:
  Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const override {
    ARROW_ASSIGN_OR_RAISE(const std::string_view byte, bytes->Take(1));
    return builder == nullptr ? Status::OK() : Put<arrow::BooleanBuilder>(builder, byte[0] != 0);
  }
};

class NullReader : public Reader {
 public:
  explicit NullReader(const AvroNode& node) : Reader(node) {}

 protected:
  Status TakeValue(AvroBytes*, arrow::ArrayBuilder* builder) const override {
    return builder == nullptr ? Status::OK() : builder->AppendNull();
  }
};

/// Texts, bytes, symbols, and decimals, which are bytes.
class TextReader : public Reader {
 public:
  TextReader(const AvroNode& node, const arrow::DataType* type) : Reader(node) {
    as_uuid_ = node.is_uuid && type != nullptr && type->id() == arrow::Type::STRING;
    if (type == nullptr || type->id() != arrow::Type::DECIMAL128) return;
    decimal_ = static_cast<const arrow::Decimal128Type*>(type);
  }

 protected:
  Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const override {
    std::string_view text;
    if (node_.kind == AvroNode::Kind::kEnum) {
      ARROW_ASSIGN_OR_RAISE(const int64_t index, bytes->TakeLong());
      if (index < 0 || static_cast<size_t>(index) >= node_.names.size()) {
        return Status::Invalid("symbol ", index, " of an enum of ", node_.names.size());
      }
      text = node_.names[static_cast<size_t>(index)];
    } else if (node_.kind == AvroNode::Kind::kFixed) {
      ARROW_ASSIGN_OR_RAISE(text, bytes->Take(static_cast<size_t>(node_.size)));
    } else {
      ARROW_ASSIGN_OR_RAISE(text, bytes->TakeText());
    }
    if (builder == nullptr) return Status::OK();
    if (as_uuid_) return Put<arrow::StringBuilder>(builder, UuidText(text));
    if (decimal_ == nullptr) {  // of texts as well: their builder is one of bytes
      return static_cast<arrow::BinaryBuilder*>(builder)->Append(text);
    }
    ARROW_ASSIGN_OR_RAISE(
        arrow::Decimal128 value,
        arrow::Decimal128::FromBigEndian(reinterpret_cast<const uint8_t*>(text.data()),
                                         static_cast<int32_t>(text.size())));
    if (node_.scale != decimal_->scale()) {
      ARROW_ASSIGN_OR_RAISE(value, value.Rescale(node_.scale, decimal_->scale()));
    }
    if (!value.FitsInPrecision(decimal_->precision())) {
      return Status::Invalid("a decimal has more than ", decimal_->precision(), " digits");
    }
    return Put<arrow::Decimal128Builder>(builder, value);
  }

 private:
  const arrow::Decimal128Type* decimal_ = nullptr;  // of the wanted schema
  bool as_uuid_ = false;
};

/// Lists and maps: blocks of a count and so many items, then an empty one.
class ListReader : public Reader {
 public:
  /// `key`: of a map's keys; null: it is a list.
  ListReader(const AvroNode& node, std::unique_ptr<Reader> key, std::unique_ptr<Reader> item,
             bool takes_space)
      : Reader(node), key_(std::move(key)), item_(std::move(item)), takes_space_(takes_space) {}

 protected:
  Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const override {
    arrow::ArrayBuilder *keys = nullptr, *items = nullptr;
    if (builder != nullptr && key_ != nullptr) {
      auto* map = static_cast<arrow::MapBuilder*>(builder);
      ARROW_RETURN_NOT_OK(map->Append());
      keys = map->key_builder();
      items = map->item_builder();
    } else if (builder != nullptr) {
      auto* list = static_cast<arrow::ListBuilder*>(builder);
      ARROW_RETURN_NOT_OK(list->Append());
      items = list->value_builder();
    }
    while (true) {
      ARROW_ASSIGN_OR_RAISE(int64_t count, bytes->TakeLong());
      if (count == 0) return Status::OK();
      if (count < 0) {  // its size in bytes follows, for those who skip it
        ARROW_RETURN_NOT_OK(bytes->TakeLong().status());
        if (__builtin_sub_overflow(int64_t{0}, count, &count)) {
          return Status::Invalid("a list has too many items");
        }
      }
      if (!takes_space_ && count > kMostEmptyItems) {
        return Status::Invalid("a list has ", count, " items and no bytes for them");
      }
      for (int64_t i = 0; i < count; ++i) {
        if (key_ != nullptr) ARROW_RETURN_NOT_OK(key_->Take(bytes, keys));
        ARROW_RETURN_NOT_OK(item_->Take(bytes, items));
      }
    }
  }

 private:
  const std::unique_ptr<Reader> key_, item_;
  const bool takes_space_;  ///< each item is a byte at least, so that the bytes limit their number
};

class RecordReader : public Reader {
 public:
  struct Field {
    std::unique_ptr<Reader> reader;
    int place = -1;  ///< among the wanted fields; -1: nobody wants it
  };

  RecordReader(const AvroNode& node, std::vector<Field> fields, std::vector<int> absent)
      : Reader(node), fields_(std::move(fields)), absent_(std::move(absent)) {}

  /// The fields into builders by their places.
  template <typename Builders>
  Status TakeFields(AvroBytes* bytes, const Builders& builder_of) const {
    for (const Field& field : fields_) {
      ARROW_RETURN_NOT_OK(
          field.reader->Take(bytes, field.place < 0 ? nullptr : builder_of(field.place)));
    }
    for (const int place : absent_) {
      if (arrow::ArrayBuilder* builder = builder_of(place); builder != nullptr) {
        ARROW_RETURN_NOT_OK(builder->AppendNull());
      }
    }
    return Status::OK();
  }

 protected:
  Status TakeValue(AvroBytes* bytes, arrow::ArrayBuilder* builder) const override {
    auto* record = static_cast<arrow::StructBuilder*>(builder);
    if (record != nullptr) ARROW_RETURN_NOT_OK(record->Append());
    return TakeFields(bytes, [&](int place) -> arrow::ArrayBuilder* {
      return record == nullptr ? nullptr : record->field_builder(place);
    });
  }

 private:
  const std::vector<Field> fields_;
  const std::vector<int> absent_;  // places of wanted fields that the writer hasn't
};

Result<std::unique_ptr<RecordReader>> MakeRecord(const AvroNode& node,
                                                 const arrow::FieldVector& wanted) {
  std::map<std::string, int> places;
  std::map<int64_t, std::string> names;  // of those that have ids
  for (size_t i = 0; i < wanted.size(); ++i) {
    places[wanted[i]->name()] = static_cast<int>(i);
    if (const int64_t id = FieldId(*wanted[i]); id >= 0) names[id] = wanted[i]->name();
  }
  std::vector<RecordReader::Field> fields;
  for (size_t i = 0; i < node.children.size(); ++i) {
    RecordReader::Field field;
    const arrow::DataType* type = nullptr;
    std::string name = node.names[i];
    if (node.ids[i] >= 0 && !names.empty()) {
      const auto renamed = names.find(node.ids[i]);
      name = renamed == names.end() ? "" : renamed->second;
    }
    if (const auto place = places.find(name); place != places.end()) {
      field.place = place->second;
      type = wanted[static_cast<size_t>(place->second)]->type().get();
      places.erase(place);
    }
    auto reader = Reader::Make(node.children[i], type);
    if (!reader.ok()) return Explain(reader.status(), "field '" + node.names[i] + "'");
    field.reader = std::move(*reader);
    fields.push_back(std::move(field));
  }
  std::vector<int> absent;
  for (const auto& [name, place] : places) absent.push_back(place);
  return std::make_unique<RecordReader>(node, std::move(fields), std::move(absent));
}

/// Whether a number may become a value of that type.
bool Becomes(const AvroNode& node, arrow::Type::type target) {
  using arrow::Type;
  switch (target) {
    case Type::DOUBLE: return true;
    case Type::FLOAT: return node.kind != AvroNode::Kind::kDouble;
    case Type::INT32:
    case Type::INT64:
    case Type::DATE32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::STRING: return node.kind == AvroNode::Kind::kLong;
    default: return false;
  }
}

/// Whether a value is at least a byte long.
bool TakesSpace(const AvroNode& node) {
  if (node.null_branch >= 0) return true;
  if (node.kind == AvroNode::Kind::kRecord) {
    return std::any_of(node.children.begin(), node.children.end(), TakesSpace);
  }
  return node.kind == AvroNode::Kind::kFixed ? node.size > 0
                                             : node.kind != AvroNode::Kind::kNull;
}

Result<std::unique_ptr<Reader>> MakeList(const AvroNode& node, const arrow::DataType* type) {
  const arrow::DataType* of = nullptr;
  if (type != nullptr) of = static_cast<const arrow::ListType*>(type)->value_type().get();
  ARROW_ASSIGN_OR_RAISE(auto item, Reader::Make(node.children[0], of));
  return std::make_unique<ListReader>(node, nullptr, std::move(item),
                                      TakesSpace(node.children[0]));
}

/// `type`: of a map, or null.
Result<std::unique_ptr<Reader>> MakeMap(const AvroNode& node, const arrow::DataType* type) {
  AvroNode key;
  key.kind = AvroNode::Kind::kText;
  const AvroNode* item = &node.children[0];
  if (node.is_pairs) {
    key = item->children[0];
    item = &item->children[1];
  }
  const auto* map = static_cast<const arrow::MapType*>(type);
  ARROW_ASSIGN_OR_RAISE(auto keys,
                        Reader::Make(key, map == nullptr ? nullptr : map->key_type().get()));
  ARROW_ASSIGN_OR_RAISE(auto items,
                        Reader::Make(*item, map == nullptr ? nullptr : map->item_type().get()));
  return std::make_unique<ListReader>(node, std::move(keys), std::move(items),
                                      TakesSpace(key) || TakesSpace(*item));
}

Result<std::unique_ptr<Reader>> Reader::Make(const AvroNode& node, const arrow::DataType* type) {
  using arrow::Type;
  const auto refused = [&] {
    return Status::TypeError("what the writer has can't become ", type->ToString());
  };
  switch (node.kind) {
    case AvroNode::Kind::kNull: return std::make_unique<NullReader>(node);
    case AvroNode::Kind::kBool:
      if (type != nullptr && type->id() != Type::BOOL) return refused();
      return std::make_unique<BoolReader>(node);
    case AvroNode::Kind::kLong:
    case AvroNode::Kind::kFloat:
    case AvroNode::Kind::kDouble:
      if (type != nullptr && !Becomes(node, type->id())) return refused();
      return std::make_unique<NumberReader>(node, type);
    case AvroNode::Kind::kText:
    case AvroNode::Kind::kFixed:
    case AvroNode::Kind::kEnum: {
      const bool is_text = type == nullptr || type->id() == Type::STRING ||
                           type->id() == Type::BINARY;
      if (node.scale >= 0 ? type != nullptr && type->id() != Type::DECIMAL128 : !is_text) {
        return refused();
      }
      return std::make_unique<TextReader>(node, type);
    }
    case AvroNode::Kind::kList:
      if (node.is_pairs && type != nullptr && type->id() == Type::MAP) return MakeMap(node, type);
      if (type != nullptr && type->id() != Type::LIST) return refused();
      return MakeList(node, type);
    case AvroNode::Kind::kMap:
      if (type != nullptr && type->id() != Type::MAP) return refused();
      return MakeMap(node, type);
    case AvroNode::Kind::kRecord:
      if (type != nullptr && type->id() != Type::STRUCT) return refused();
      return MakeRecord(node, type == nullptr ? arrow::FieldVector() : type->fields());
  }
  return Status::Invalid("a type is no type");
}

class Rows : public AvroRows {
 public:
  Rows(std::unique_ptr<RecordReader> reader, std::unique_ptr<arrow::RecordBatchBuilder> builder,
       bool takes_space)
      : reader_(std::move(reader)), builder_(std::move(builder)), takes_space_(takes_space) {}

  Status Append(std::string_view record) override {
    AvroBytes bytes(record);
    ARROW_RETURN_NOT_OK(Take(&bytes));
    if (bytes.left() == 0) return Status::OK();
    return Status::Invalid("a record leaves ", bytes.left(), " bytes over");
  }

  Status Take(AvroBytes* bytes) override {
    return reader_->TakeFields(
        bytes, [&](int place) -> arrow::ArrayBuilder* { return builder_->GetField(place); });
  }

  bool takes_space() const override { return takes_space_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Finish() override { return builder_->Flush(true); }

 private:
  const std::unique_ptr<RecordReader> reader_;
  const std::unique_ptr<arrow::RecordBatchBuilder> builder_;
  const bool takes_space_;
};

}  // namespace

Result<std::unique_ptr<AvroRows>> AvroRows::Make(const json::object& writer,
                                                 std::shared_ptr<arrow::Schema> wanted) {
  ARROW_ASSIGN_OR_RAISE(const AvroNode node, ReadAvroNode(json::value(writer)));
  return Make(node, std::move(wanted));
}

Result<std::unique_ptr<AvroRows>> AvroRows::Make(const AvroNode& writer,
                                                 std::shared_ptr<arrow::Schema> wanted) {
  if (writer.kind != AvroNode::Kind::kRecord || writer.null_branch >= 0) {
    return Status::Invalid("the schema is of no record");
  }
  ARROW_ASSIGN_OR_RAISE(auto reader, MakeRecord(writer, wanted->fields()));
  ARROW_ASSIGN_OR_RAISE(
      auto builder, arrow::RecordBatchBuilder::Make(wanted, arrow::default_memory_pool()));
  return std::make_unique<Rows>(std::move(reader), std::move(builder), TakesSpace(writer));
}

}  // namespace tercet
