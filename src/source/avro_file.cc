#include "source/avro_file.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include "base/short_text.h"
#include "source/avro_blocks.h"
#include "source/avro_bytes.h"

namespace tercet {
namespace {

constexpr int kMostDepth = 32;

/// Reads values as a schema says.
class Decoder {
 public:
  /// The schema outlives the decoder.
  explicit Decoder(const json::value& schema) { Learn(schema, 0); }

  /// Reads on from these bytes. There may be no more values than four for each of them, so that
  /// bytes which say "a thousand million nulls" take no memory.
  void From(AvroBytes* bytes) {
    bytes_ = bytes;
    budget_ = bytes->left() * 4 + 100;  // a few that take no bytes
  }

  Result<json::value> Read(const json::value& schema, int depth = 0) {
    if (depth > kMostDepth) return Status::Invalid("nested more than ", kMostDepth, " deep");
    if (budget_ == 0) return Status::Invalid("more values than bytes for them");
    --budget_;
    if (schema.is_array()) return ReadUnion(schema.as_array(), depth);
    if (schema.is_string()) return ReadNamed(std::string(schema.as_string()), depth);
    if (!schema.is_object()) return Status::Invalid("the schema has a type that is no type");
    return ReadType(schema.as_object(), depth);
  }

 private:
  Result<json::value> ReadType(const json::object& object, int depth) {
    if (depth > kMostDepth) return Status::Invalid("nested more than ", kMostDepth, " deep");
    const json::value* type = object.if_contains("type");
    if (type == nullptr) return Status::Invalid("the schema has a type without a 'type'");
    if (!type->is_string()) return Read(*type, depth + 1);
    const std::string_view name = type->as_string();
    if (name == "record" || name == "error") return ReadRecord(object, depth);
    if (name == "array") return ReadBlocks(object, "items", depth);
    if (name == "map") return ReadBlocks(object, "values", depth);
    if (name == "enum") {
      ARROW_ASSIGN_OR_RAISE(const json::array symbols, FindArray(object, "symbols"));
      ARROW_ASSIGN_OR_RAISE(const int64_t index, bytes_->TakeLong());
      if (index < 0 || static_cast<size_t>(index) >= symbols.size()) {
        return Status::Invalid("symbol ", index, " of an enum of ", symbols.size());
      }
      return symbols[static_cast<size_t>(index)];
    }
    if (name == "fixed") {
      ARROW_ASSIGN_OR_RAISE(const int64_t size, GetInt(object, "size"));
      if (size < 0) return Status::Invalid("a fixed of ", size, " bytes");
      ARROW_ASSIGN_OR_RAISE(const std::string_view raw, bytes_->Take(static_cast<size_t>(size)));
      return json::value(raw);
    }
    return ReadNamed(std::string(name), depth);
  }

  /// Keeps the named types, which later mentions give by name. By the last part of the name: no
  /// schema of a table's metadata has two that differ in their namespace alone.
  void Learn(const json::value& schema, int depth) {
    if (depth > kMostDepth) return;
    if (schema.is_array()) {
      for (const json::value& branch : schema.as_array()) Learn(branch, depth + 1);
    }
    if (!schema.is_object()) return;
    const json::object& object = schema.as_object();
    const json::value* name = object.if_contains("name");
    const json::value* type = object.if_contains("type");
    if (name != nullptr && name->is_string() && type != nullptr && type->is_string()) {
      named_.emplace(LastPart(std::string(name->as_string())), &object);
    }
    for (const char* member : {"type", "items", "values"}) {
      if (const json::value* inner = object.if_contains(member)) Learn(*inner, depth + 1);
    }
    if (const json::value* fields = object.if_contains("fields"); fields && fields->is_array()) {
      for (const json::value& field : fields->as_array()) {
        if (!field.is_object()) continue;
        const json::value* inner = field.as_object().if_contains("type");
        if (inner != nullptr) Learn(*inner, depth + 1);
      }
    }
  }

  static std::string LastPart(const std::string& name) { return name.substr(name.rfind('.') + 1); }

  Result<json::value> ReadNamed(const std::string& name, int depth) {
    if (name == "null") return json::value(nullptr);
    if (name == "boolean") {
      ARROW_ASSIGN_OR_RAISE(const std::string_view byte, bytes_->Take(1));
      return json::value(byte[0] != 0);
    }
    if (name == "int" || name == "long") {
      ARROW_ASSIGN_OR_RAISE(const int64_t value, bytes_->TakeLong());
      return json::value(value);
    }
    if (name == "float") {
      ARROW_ASSIGN_OR_RAISE(const double value, bytes_->TakeFloat<float>());
      return json::value(value);
    }
    if (name == "double") {
      ARROW_ASSIGN_OR_RAISE(const double value, bytes_->TakeFloat<double>());
      return json::value(value);
    }
    if (name == "string" || name == "bytes") {
      ARROW_ASSIGN_OR_RAISE(const std::string_view text, bytes_->TakeText());
      return json::value(text);
    }
    const auto known = named_.find(LastPart(name));
    if (known == named_.end()) {
      return Status::Invalid("the schema has no type '", ShortText(name), "'");
    }
    return ReadType(*known->second, depth + 1);
  }

  Result<json::value> ReadUnion(const json::array& branches, int depth) {
    ARROW_ASSIGN_OR_RAISE(const int64_t index, bytes_->TakeLong());
    if (index < 0 || static_cast<size_t>(index) >= branches.size()) {
      return Status::Invalid("branch ", index, " of a union of ", branches.size());
    }
    return Read(branches[static_cast<size_t>(index)], depth + 1);
  }

  Result<json::value> ReadRecord(const json::object& type, int depth) {
    const json::value* fields = type.if_contains("fields");
    if (fields == nullptr || !fields->is_array()) {
      return Status::Invalid("a record of the schema has no list of fields");
    }
    json::object record;
    for (const json::value& field : fields->as_array()) {
      if (!field.is_object()) return Status::Invalid("a field of the schema is no object");
      ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(field.as_object(), "name"));
      const json::value* field_type = field.as_object().if_contains("type");
      if (field_type == nullptr) return Status::Invalid("field '", name, "' has no type");
      ARROW_ASSIGN_OR_RAISE(record[name], Read(*field_type, depth + 1));
    }
    return record;
  }

  /// An array or a map: blocks of a count and so many items, then an empty one.
  Result<json::value> ReadBlocks(const json::object& type, const char* of, int depth) {
    const json::value* item = type.if_contains(of);
    if (item == nullptr) return Status::Invalid("an array or map of the schema has no '", of, "'");
    const bool is_map = std::string_view(of) == "values";
    json::array items;
    json::object entries;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(int64_t count, bytes_->TakeLong());
      if (count == 0) break;
      if (count < 0) {  // its size in bytes follows, for those who skip it
        ARROW_RETURN_NOT_OK(bytes_->TakeLong().status());
        if (__builtin_sub_overflow(int64_t{0}, count, &count)) {
          return Status::Invalid("a block has too many items");
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        std::string_view key;
        if (is_map) {
          ARROW_ASSIGN_OR_RAISE(key, bytes_->TakeText());
        }
        ARROW_ASSIGN_OR_RAISE(json::value value, Read(*item, depth + 1));
        if (is_map) {
          entries[key] = std::move(value);
        } else {
          items.push_back(std::move(value));
        }
      }
    }
    if (is_map) return json::value(std::move(entries));
    return json::value(std::move(items));
  }

  AvroBytes* bytes_ = nullptr;
  size_t budget_ = 0;
  std::map<std::string, const json::object*> named_;  // of the schema, which outlives this
};

}  // namespace

Result<std::vector<json::value>> ReadAvroFile(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(AvroBlocks blocks,
                        AvroBlocks::Open(std::make_shared<arrow::io::BufferReader>(
                            std::make_shared<arrow::Buffer>(text))));
  std::vector<json::value> items;
  Decoder decoder(blocks.schema());
  AvroBlocks::Block block;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool more, blocks.Next(&block));
    if (!more) return items;
    AvroBytes bytes(block.bytes);
    decoder.From(&bytes);
    for (int64_t i = 0; i < block.count; ++i) {
      ARROW_ASSIGN_OR_RAISE(items.emplace_back(), decoder.Read(blocks.schema()));
    }
    if (bytes.left() != 0) return Status::Invalid("a block's items don't fill its bytes");
  }
}

}  // namespace tercet
