#include "source/avro_node.h"

#include <map>
#include <utility>

#include "base/short_text.h"

namespace tercet {
namespace {

constexpr int kMostDepth = 32, kMostNodes = 20'000;
constexpr int64_t kMicrosPerMilli = 1000, kUuidBytes = 16;

/// Makes nodes of a schema.
class SchemaReader {
 public:
  Result<AvroNode> Read(const json::value& schema, int depth) {
    if (depth > kMostDepth) return Status::Invalid("nested more than ", kMostDepth, " deep");
    // Types may name each other, so that a short schema stands for a huge one.
    if (++count_ > kMostNodes) return Status::Invalid("more than ", kMostNodes, " types");
    if (schema.is_string()) return Named(std::string(schema.as_string()), depth);
    if (schema.is_array()) return Union(schema.as_array(), depth);
    if (!schema.is_object()) return Status::Invalid("a type is no type");
    return Object(schema.as_object(), depth);
  }

 private:
  Result<AvroNode> Named(const std::string& name, int depth) {
    static const std::map<std::string, AvroNode::Kind> kinds = {
        {"null", AvroNode::Kind::kNull},     {"boolean", AvroNode::Kind::kBool},
        {"int", AvroNode::Kind::kLong},      {"long", AvroNode::Kind::kLong},
        {"float", AvroNode::Kind::kFloat},   {"double", AvroNode::Kind::kDouble},
        {"string", AvroNode::Kind::kText},   {"bytes", AvroNode::Kind::kText}};
    AvroNode node;
    if (const auto found = kinds.find(name); found != kinds.end()) {
      node.kind = found->second;
      return node;
    }
    const auto known = named_.find(name.substr(name.rfind('.') + 1));
    if (known == named_.end()) {
      return Status::Invalid("there is no type '", ShortText(name), "'");
    }
    return Object(*known->second, depth + 1);
  }

  Result<AvroNode> Union(const json::array& branches, int depth) {
    if (branches.size() == 1) return Read(branches[0], depth + 1);
    const auto is_null = [](const json::value& one) {
      return one.is_string() && one.as_string() == "null";
    };
    if (branches.size() != 2 || is_null(branches[0]) == is_null(branches[1])) {
      return Status::NotImplemented("a union of several types is not read");
    }
    const int null_branch = is_null(branches[0]) ? 0 : 1;
    ARROW_ASSIGN_OR_RAISE(AvroNode node, Read(branches[1 - null_branch], depth + 1));
    if (node.null_branch >= 0) return Status::Invalid("a union is in a union");
    node.null_branch = null_branch;
    return node;
  }

  Result<AvroNode> Object(const json::object& type, int depth) {
    const json::value* kind = type.if_contains("type");
    if (kind == nullptr) return Status::Invalid("a type has no 'type'");
    if (!kind->is_string()) return Read(*kind, depth + 1);
    const std::string_view name = kind->as_string();
    if (const json::value* own = type.if_contains("name"); own != nullptr && own->is_string()) {
      const std::string text(own->as_string());
      named_[text.substr(text.rfind('.') + 1)] = &type;
    }
    AvroNode node;
    if (name == "record") {
      node.kind = AvroNode::Kind::kRecord;
      const json::value* fields = type.if_contains("fields");
      if (fields == nullptr || !fields->is_array()) {
        return Status::Invalid("a record has no list of fields");
      }
      for (const json::value& field : fields->as_array()) {
        if (!field.is_object()) return Status::Invalid("a field is no object");
        ARROW_ASSIGN_OR_RAISE(const std::string field_name, GetString(field.as_object(), "name"));
        const json::value* of = field.as_object().if_contains("type");
        if (of == nullptr) return Status::Invalid("field '", field_name, "' has no type");
        node.names.push_back(field_name);
        ARROW_ASSIGN_OR_RAISE(const auto id, FindInt(field.as_object(), "field-id"));
        node.ids.push_back(id.value_or(-1));
        auto child = Read(*of, depth + 1);
        if (!child.ok()) return Explain(child.status(), "field '" + field_name + "'");
        node.children.push_back(std::move(*child));
      }
      return node;
    }
    if (name == "array" || name == "map") {
      node.kind = name == "array" ? AvroNode::Kind::kList : AvroNode::Kind::kMap;
      const json::value* of = type.if_contains(name == "array" ? "items" : "values");
      if (of == nullptr) return Status::Invalid("an array or map is of nothing");
      ARROW_ASSIGN_OR_RAISE(node.children.emplace_back(), Read(*of, depth + 1));
      ARROW_ASSIGN_OR_RAISE(const auto logical, FindString(type, "logicalType"));
      node.is_pairs = logical == "map" && node.children[0].null_branch < 0 &&
                      node.children[0].kind == AvroNode::Kind::kRecord &&
                      node.children[0].children.size() == 2;
      return node;
    }
    if (name == "enum") {
      node.kind = AvroNode::Kind::kEnum;
      ARROW_ASSIGN_OR_RAISE(node.names, FindStrings(type, "symbols"));
      return node;
    }
    if (name == "fixed") {
      node.kind = AvroNode::Kind::kFixed;
      ARROW_ASSIGN_OR_RAISE(node.size, GetInt(type, "size"));
      if (node.size < 0) return Status::Invalid("a fixed of ", node.size, " bytes");
    } else {
      ARROW_ASSIGN_OR_RAISE(node, Named(std::string(name), depth + 1));
    }
    ARROW_ASSIGN_OR_RAISE(const auto logical, FindString(type, "logicalType"));
    if (logical && logical->ends_with("-millis")) node.multiple = kMicrosPerMilli;
    node.is_date = logical == "date";
    node.is_nanos = logical && logical->ends_with("-nanos");
    node.is_uuid = logical == "uuid" && node.kind == AvroNode::Kind::kFixed &&
                   node.size == kUuidBytes;
    if (logical == "decimal") {
      ARROW_ASSIGN_OR_RAISE(const auto scale, FindInt(type, "scale"));
      node.scale = static_cast<int32_t>(scale.value_or(0));
    }
    return node;
  }

  std::map<std::string, const json::object*> named_;  // of the schema, while it is read
  int count_ = 0;
};

}  // namespace

Result<AvroNode> ReadAvroNode(const json::value& schema) { return SchemaReader().Read(schema, 0); }

}  // namespace tercet
