#include "online/row_nested.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer_builder.h>
#include <arrow/builder.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

namespace tercet {
namespace {

using arrow::ArrayData;
using arrow::Type;

constexpr size_t kEndBytes = sizeof(uint32_t);

bool IsBytes(Type::type id) {
  return arrow::is_base_binary_like(id) || arrow::is_binary_view_like(id);
}

void AppendU32(uint32_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

uint32_t GetU32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

/// The elements of a list or map array, and where those of a row are.
struct Elements {
  const arrow::Array* values;
  int64_t begin;
  int64_t count;
};

template <typename List>
Elements ElementsOf(const arrow::Array& array, int64_t i) {
  const auto& list = static_cast<const List&>(array);
  return {list.values().get(), list.value_offset(i), list.value_length(i)};
}

Elements ElementsAt(const arrow::Array& array, int64_t i) {
  switch (array.type_id()) {
    case Type::LARGE_LIST:
      return ElementsOf<arrow::LargeListArray>(array, i);
    case Type::FIXED_SIZE_LIST:
      return ElementsOf<arrow::FixedSizeListArray>(array, i);
    default:  // maps are lists of entries
      return ElementsOf<arrow::ListArray>(array, i);
  }
}

void AppendSequence(const arrow::Array& array, const std::vector<int64_t>& rows, std::string* out);

/// Ends of the lists of `found` rows, and the rows of all their elements.
std::vector<int64_t> AppendEnds(const arrow::Array& array, const std::vector<int64_t>& found,
                                std::string* out) {
  std::vector<int64_t> elements;
  for (const int64_t row : found) {
    if (row >= 0) {
      const Elements of = ElementsAt(array, row);
      for (int64_t k = 0; k < of.count; ++k) elements.push_back(of.begin + k);
    }
    AppendU32(static_cast<uint32_t>(elements.size()), out);
  }
  return elements;
}

void AppendFixed(const arrow::Array& array, const std::vector<int64_t>& found, bool whole,
                 uint32_t width, std::string* out) {
  const auto n = static_cast<int64_t>(found.size());
  // Rows come in order, so without a gap between the ends there is none.
  if (n > 0 && whole && found.back() - found.front() + 1 == n) {
    out->append(reinterpret_cast<const char*>(FixedAt(array, found.front(), width)), n * width);
    return;
  }
  for (const int64_t row : found) {
    if (row < 0) {
      out->append(width, '\0');
    } else {
      out->append(reinterpret_cast<const char*>(FixedAt(array, row, width)), width);
    }
  }
}

/// The values of `rows`; −1: a null.
void AppendSequence(const arrow::Array& array, const std::vector<int64_t>& rows, std::string* out) {
  if (rows.empty()) return;
  const size_t validity = out->size();
  out->append((rows.size() + 7) / 8, '\0');
  std::vector<int64_t> found(rows.size(), -1);
  bool whole = true;
  for (size_t k = 0; k < rows.size(); ++k) {
    const bool valid = rows[k] >= 0 && array.IsValid(rows[k]);
    whole = whole && valid;
    if (!valid) continue;
    found[k] = rows[k];
    (*out)[validity + k / 8] |= static_cast<char>(1 << (k % 8));
  }
  const Type::type id = array.type_id();
  if (id == Type::STRUCT) {
    const auto& structs = static_cast<const arrow::StructArray&>(array);
    for (int m = 0; m < structs.num_fields(); ++m) AppendSequence(*structs.field(m), found, out);
  } else if (id == Type::MAP) {
    const auto& maps = static_cast<const arrow::MapArray&>(array);
    const std::vector<int64_t> entries = AppendEnds(array, found, out);
    AppendSequence(*maps.keys(), entries, out);
    AppendSequence(*maps.items(), entries, out);
  } else if (id == Type::FIXED_SIZE_LIST) {
    const auto& lists = static_cast<const arrow::FixedSizeListArray&>(array);
    std::vector<int64_t> elements;
    elements.reserve(found.size() * static_cast<size_t>(lists.value_length()));
    for (const int64_t row : found) {
      for (int64_t k = 0; k < lists.value_length(); ++k) {
        elements.push_back(row < 0 ? -1 : lists.value_offset(row) + k);
      }
    }
    AppendSequence(*lists.values(), elements, out);
  } else if (arrow::is_list(id)) {
    const std::vector<int64_t> elements = AppendEnds(array, found, out);
    AppendSequence(*ElementsAt(array, 0).values, elements, out);
  } else if (id == Type::BOOL) {
    const auto& booleans = static_cast<const arrow::BooleanArray&>(array);
    for (const int64_t row : found) out->push_back(row >= 0 && booleans.Value(row) ? 1 : 0);
  } else if (IsBytes(id)) {
    const size_t ends = out->size();
    out->append(found.size() * kEndBytes, '\0');
    const size_t start = out->size();
    for (size_t k = 0; k < found.size(); ++k) {
      if (found[k] >= 0) out->append(BytesAt(array, found[k]));
      const auto end = static_cast<uint32_t>(out->size() - start);
      std::memcpy(out->data() + ends + k * kEndBytes, &end, sizeof(end));
    }
  } else {
    AppendFixed(array, found, whole, FixedWidthOf(*array.type()), out);
  }
}

Status Corrupt() {
  return Status::IOError("online store: a stored list, struct or map is corrupt");
}

/// Takes bytes from the front.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  std::optional<std::string_view> Take(uint64_t size) {
    if (size > rest_.size()) return std::nullopt;
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// The values of one node of a nested type, appended a sequence at a time.
class NodeValues {
 public:
  static Result<std::unique_ptr<NodeValues>> Make(const std::shared_ptr<arrow::DataType>& type) {
    auto node = std::make_unique<NodeValues>();
    node->type_ = type;
    node->width_ = FixedWidthOf(*type);
    const Type::type id = type->id();
    if (id == Type::BOOL || IsBytes(id)) {
      ARROW_ASSIGN_OR_RAISE(node->builder_, arrow::MakeBuilder(type));
      return node;
    }
    // A map's entries are no node: its children are the keys and the values.
    const auto& fields = id == Type::MAP ? type->field(0)->type()->fields() : type->fields();
    for (const auto& field : fields) {
      ARROW_ASSIGN_OR_RAISE(node->children_.emplace_back(), Make(field->type()));
    }
    return node;
  }

  Status AppendNulls(int64_t n) {
    size_ += n;
    if (builder_ != nullptr) return builder_->AppendNulls(n);
    ARROW_RETURN_NOT_OK(validity_.Append(n, false));
    if (width_ > 0) return values_.Append(n * width_, uint8_t{0});
    if (type_->id() == Type::STRUCT) {
      for (const auto& child : children_) ARROW_RETURN_NOT_OK(child->AppendNulls(n));
      return Status::OK();
    }
    if (type_->id() == Type::FIXED_SIZE_LIST) return children_[0]->AppendNulls(n * ListSize());
    ends_.insert(ends_.end(), static_cast<size_t>(n), children_[0]->size_);
    return Status::OK();
  }

  /// One row's value, as AppendNested wrote it.
  Status AppendValue(std::string_view value) {
    Bytes bytes(value);
    if (!arrow::is_list(type_->id())) {
      ARROW_RETURN_NOT_OK(AppendSequence(1, &bytes));
    } else {
      const auto count = bytes.Take(kEndBytes);
      if (!count) return Corrupt();
      ++size_;
      ARROW_RETURN_NOT_OK(validity_.Append(true));
      const int64_t n = GetU32(count->data());
      if (type_->id() == Type::FIXED_SIZE_LIST && n != ListSize()) return Corrupt();
      ARROW_RETURN_NOT_OK(children_[0]->AppendSequence(n, &bytes));
      ends_.push_back(children_[0]->size_);
    }
    return bytes.empty() ? Status::OK() : Corrupt();
  }

  Result<std::shared_ptr<ArrayData>> Finish() {
    std::shared_ptr<ArrayData> data;
    if (builder_ != nullptr) {
      ARROW_RETURN_NOT_OK(builder_->FinishInternal(&data));
      return data;
    }
    const int64_t nulls = validity_.false_count();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits, validity_.Finish());
    std::vector<std::shared_ptr<arrow::Buffer>> buffers = {nulls == 0 ? nullptr : bits};
    std::vector<std::shared_ptr<ArrayData>> children;
    for (const auto& child : children_) {
      ARROW_ASSIGN_OR_RAISE(children.emplace_back(), child->Finish());
    }
    switch (type_->id()) {
      case Type::STRUCT:
      case Type::FIXED_SIZE_LIST:
        break;
      case Type::LARGE_LIST: {
        ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), Offsets<int64_t>());
        break;
      }
      case Type::MAP:
        children = {ArrayData::Make(type_->field(0)->type(), children[0]->length, {nullptr},
                                    children, 0)};
        [[fallthrough]];
      case Type::LIST: {
        ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), Offsets<int32_t>());
        break;
      }
      default: {
        ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), values_.Finish());
      }
    }
    return ArrayData::Make(type_, size_, std::move(buffers), std::move(children), nulls);
  }

 private:
  int64_t ListSize() const {
    return static_cast<const arrow::FixedSizeListType&>(*type_).list_size();
  }

  Status AppendSequence(int64_t n, Bytes* in) {
    const auto bits = in->Take(static_cast<uint64_t>(n + 7) / 8);
    if (!bits) return Corrupt();
    const auto* bitmap = reinterpret_cast<const uint8_t*>(bits->data());
    size_ += n;
    if (type_->id() == Type::BOOL) return AppendBooleans(n, bitmap, in);
    if (builder_ != nullptr) return AppendStrings(n, bitmap, in);
    // Room for all at once: an embedding has hundreds.
    ARROW_RETURN_NOT_OK(validity_.Reserve(n));
    for (int64_t i = 0; i < n; ++i) {
      validity_.UnsafeAppend(arrow::bit_util::GetBit(bitmap, i));
    }
    if (width_ > 0) {
      const auto body = in->Take(static_cast<uint64_t>(n) * width_);
      return body ? values_.Append(body->data(), static_cast<int64_t>(body->size())) : Corrupt();
    }
    if (type_->id() == Type::STRUCT) {
      for (const auto& child : children_) ARROW_RETURN_NOT_OK(child->AppendSequence(n, in));
      return Status::OK();
    }
    if (type_->id() == Type::FIXED_SIZE_LIST) {
      return children_[0]->AppendSequence(n * ListSize(), in);
    }
    return AppendLists(n, bitmap, in);
  }

  Status AppendBooleans(int64_t n, const uint8_t* bitmap, Bytes* in) {
    const auto body = in->Take(static_cast<uint64_t>(n));
    if (!body) return Corrupt();
    auto* booleans = static_cast<arrow::BooleanBuilder*>(builder_.get());
    for (int64_t i = 0; i < n; ++i) {
      ARROW_RETURN_NOT_OK(arrow::bit_util::GetBit(bitmap, i)
                              ? booleans->Append((*body)[static_cast<size_t>(i)] != 0)
                              : booleans->AppendNull());
    }
    return Status::OK();
  }

  Status AppendStrings(int64_t n, const uint8_t* bitmap, Bytes* in) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<uint32_t> ends, TakeEnds(n, in));
    const auto body = in->Take(ends.empty() ? 0 : ends.back());
    if (!body) return Corrupt();
    uint32_t start = 0;
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t end = ends[static_cast<size_t>(i)];
      ARROW_RETURN_NOT_OK(arrow::bit_util::GetBit(bitmap, i)
                              ? AppendBytes(*type_, body->substr(start, end - start),
                                            builder_.get())
                              : builder_->AppendNull());
      start = end;
    }
    return Status::OK();
  }

  /// Lists and maps; a null one is empty.
  Status AppendLists(int64_t n, const uint8_t* bitmap, Bytes* in) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<uint32_t> ends, TakeEnds(n, in));
    const int64_t before = children_[0]->size_;
    uint32_t start = 0;
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t end = ends[static_cast<size_t>(i)];
      if (end != start && !arrow::bit_util::GetBit(bitmap, i)) return Corrupt();
      ends_.push_back(before + end);
      start = end;
    }
    for (const auto& child : children_) ARROW_RETURN_NOT_OK(child->AppendSequence(start, in));
    if (type_->id() == Type::MAP && children_[0]->HasNulls()) return Corrupt();
    return Status::OK();
  }

  Result<std::vector<uint32_t>> TakeEnds(int64_t n, Bytes* in) {
    const auto bytes = in->Take(static_cast<uint64_t>(n) * kEndBytes);
    if (!bytes) return Corrupt();
    std::vector<uint32_t> ends(static_cast<size_t>(n));
    uint32_t start = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      ends[i] = GetU32(bytes->data() + i * kEndBytes);
      if (ends[i] < start) return Corrupt();
      start = ends[i];
    }
    return ends;
  }

  bool HasNulls() const {
    return builder_ != nullptr ? builder_->null_count() > 0 : validity_.false_count() > 0;
  }

  template <typename Offset>
  Result<std::shared_ptr<arrow::Buffer>> Offsets() {
    if (!ends_.empty() && ends_.back() > std::numeric_limits<Offset>::max()) {
      return Status::CapacityError("online read: the lists of ", size_,
                                   " values have too many elements; ask for fewer rows at once");
    }
    arrow::TypedBufferBuilder<Offset> offsets;
    ARROW_RETURN_NOT_OK(offsets.Reserve(static_cast<int64_t>(ends_.size()) + 1));
    offsets.UnsafeAppend(0);
    for (const int64_t end : ends_) offsets.UnsafeAppend(static_cast<Offset>(end));
    return offsets.Finish();
  }

  std::shared_ptr<arrow::DataType> type_;
  uint32_t width_ = 0;
  int64_t size_ = 0;
  std::unique_ptr<arrow::ArrayBuilder> builder_;  // booleans, strings; null for the rest
  arrow::TypedBufferBuilder<bool> validity_;
  arrow::BufferBuilder values_;  // of fixed width
  std::vector<int64_t> ends_;    // of lists and maps, in the first child
  std::vector<std::unique_ptr<NodeValues>> children_;
};

}  // namespace

bool IsKeptInRows(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::BOOL:
      return true;
    case Type::STRUCT:
    case Type::MAP:
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
      for (const auto& field : type.fields()) {
        if (!IsKeptInRows(*field->type())) return false;
      }
      return type.num_fields() > 0;
    default:
      return IsBytes(type.id()) || FixedWidthOf(type) > 0;
  }
}

uint32_t FixedWidthOf(const arrow::DataType& type) {
  if (!arrow::is_fixed_width(type.id()) || type.num_fields() > 0 || type.id() == Type::BOOL ||
      type.id() == Type::DICTIONARY) {
    return 0;
  }
  return static_cast<uint32_t>(type.bit_width() / 8);
}

std::string_view BytesAt(const arrow::Array& array, int64_t i) {
  switch (array.type_id()) {
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetView(i);
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray&>(array).GetView(i);
    default:
      return static_cast<const arrow::BinaryArray&>(array).GetView(i);
  }
}

const uint8_t* FixedAt(const arrow::Array& array, int64_t i, uint32_t width) {
  return array.data()->buffers[1]->data() + (array.offset() + i) * width;
}

Status AppendBytes(const arrow::DataType& type, std::string_view value,
                   arrow::ArrayBuilder* builder) {
  switch (type.id()) {
    case Type::STRING:
    case Type::BINARY:
      return static_cast<arrow::BinaryBuilder*>(builder)->Append(value);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return static_cast<arrow::LargeBinaryBuilder*>(builder)->Append(value);
    default:
      return static_cast<arrow::BinaryViewBuilder*>(builder)->Append(value);
  }
}

void AppendNested(const arrow::Array& array, int64_t i, std::string* out) {
  if (!arrow::is_list(array.type_id())) return AppendSequence(array, {i}, out);
  const Elements of = ElementsAt(array, i);
  std::vector<int64_t> elements(static_cast<size_t>(of.count));
  std::iota(elements.begin(), elements.end(), of.begin);
  AppendU32(static_cast<uint32_t>(of.count), out);
  AppendSequence(*of.values, elements, out);
}

Result<std::shared_ptr<ArrayData>> GatherNested(const std::shared_ptr<arrow::DataType>& type,
                                                std::span<const std::string_view> values) {
  ARROW_ASSIGN_OR_RAISE(const auto column, NodeValues::Make(type));
  for (const std::string_view value : values) {
    ARROW_RETURN_NOT_OK(value.data() == nullptr ? column->AppendNulls(1)
                                                : column->AppendValue(value));
  }
  return column->Finish();
}

}  // namespace tercet
