#include "runtime/onnx_feed.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>
#include <arrow/util/float16.h>

#include "runtime/feature_rows.h"

namespace tercet {
namespace {

/// Of the elements, as columns hold them: halves travel as floats.
std::shared_ptr<arrow::DataType> ColumnType(const OnnxTensor& tensor) {
  return tensor.type->id() == arrow::Type::HALF_FLOAT ? arrow::float32() : tensor.type;
}

int64_t OpenDimensions(const std::vector<int64_t>& shape) {
  return std::count_if(shape.begin(), shape.end(), [](int64_t size) { return size < 0; });
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) {
    text += (text.empty() ? "" : ", ") + (size < 0 ? "?" : std::to_string(size));
  }
  return "(" + text + ")";
}

Result<OnnxFeed> ListFeed(const OnnxTensor& tensor, int first) {
  OnnxFeed feed{.first = first, .list = true};
  feed.item.assign(tensor.shape.begin() + 1, tensor.shape.end());
  if (OpenDimensions(feed.item) > 1) {
    return Status::NotImplemented("ONNX input '", tensor.name, "' of the shape ",
                                  ShapeText(tensor.shape),
                                  " leaves more than one dimension of a row open; export the model "
                                  "with one of them fixed");
  }
  feed.width = OpenDimensions(feed.item) == 1
                   ? -1
                   : std::accumulate(feed.item.begin(), feed.item.end(), int64_t{1},
                                     std::multiplies<>());
  return feed;
}

Status CheckFixedList(const arrow::Field& column, const OnnxFeed& feed) {
  if (column.type()->id() != arrow::Type::FIXED_SIZE_LIST || feed.width < 0) return Status::OK();
  const int64_t size = static_cast<const arrow::FixedSizeListType&>(*column.type()).list_size();
  if (size == feed.width) return Status::OK();
  return Status::Invalid("the signature does not fit the model: input '", column.name(),
                         "' has lists of ", size, ", the model takes ", feed.width);
}

/// Words fit words only, in a list or not.
Status CheckWords(const arrow::Field& column, const OnnxTensor& tensor) {
  const bool list = arrow::is_list(column.type()->id());
  const auto& type = list ? column.type()->field(0)->type() : column.type();
  if (tensor.words() == arrow::is_base_binary_like(type->id())) return Status::OK();
  return Status::Invalid("the signature does not fit the model: input '", column.name(),
                         "' has the type ", column.type()->ToString(), ", the model takes ",
                         ColumnType(tensor)->ToString());
}

Status IsNull(const std::string& name, int64_t row, const OnnxTensor& tensor) {
  return Status::Invalid("feature '", name, "' is null in row ", row,
                         ", and the model takes no missing ", ColumnType(tensor)->ToString(),
                         "; impute it in the feature view");
}

/// Writes NaN where a floating-point element is null.
void FillNulls(const arrow::Array& items, std::vector<uint8_t>* numbers) {
  const auto fill = [&](auto nan) {
    for (int64_t i = 0; i < items.length(); ++i) {
      if (items.IsNull(i)) {
        std::memcpy(numbers->data() + static_cast<size_t>(i) * sizeof(nan), &nan, sizeof(nan));
      }
    }
  };
  switch (items.type_id()) {
    case arrow::Type::FLOAT: return fill(std::numeric_limits<float>::quiet_NaN());
    case arrow::Type::DOUBLE: return fill(std::numeric_limits<double>::quiet_NaN());
    default: return fill(arrow::util::Float16(std::nanf("")).bits());
  }
}

/// The elements of one array, cast to the tensor's type. `row`: tells the row of an element.
Result<OnnxElements> ElementsOf(std::shared_ptr<arrow::Array> items, const std::string& name,
                                const OnnxTensor& tensor,
                                const std::function<int64_t(int64_t)>& row) {
  const bool floating = arrow::is_floating(tensor.type->id());
  if (!items->type()->Equals(*tensor.type)) {
    if (tensor.words() != arrow::is_base_binary_like(items->type_id())) {
      return Status::TypeError("feature '", name, "' has elements of type ",
                               items->type()->ToString(), "; the model takes ",
                               ColumnType(tensor)->ToString());
    }
    // Rounding to the model's floating-point type is what the model asks for.
    const auto cast = arrow::compute::Cast(
        items, tensor.type,
        floating ? arrow::compute::CastOptions::Unsafe() : arrow::compute::CastOptions::Safe());
    if (!cast.ok()) {
      return Explain(cast.status(), "feature '" + name + "' of type " + items->type()->ToString() +
                                        " does not fit the model's " + tensor.type->ToString());
    }
    items = cast->make_array();
  }
  if (items->null_count() > 0 && !floating) {
    int64_t i = 0;
    while (items->IsValid(i)) ++i;
    return IsNull(name, row(i), tensor);
  }
  OnnxElements elements;
  const auto count = static_cast<size_t>(items->length());
  if (tensor.words()) {
    const auto& words = static_cast<const arrow::StringArray&>(*items);
    for (int64_t i = 0; i < words.length(); ++i) elements.words.push_back(words.GetString(i));
  } else if (tensor.type->id() == arrow::Type::BOOL) {
    const auto& flags = static_cast<const arrow::BooleanArray&>(*items);
    elements.numbers.resize(count);
    for (size_t i = 0; i < count; ++i) {
      elements.numbers[i] = flags.Value(static_cast<int64_t>(i)) ? 1 : 0;
    }
  } else {
    const auto bytes = static_cast<size_t>(tensor.element_bytes());
    const uint8_t* first =
        items->data()->GetValues<uint8_t>(1, 0) + static_cast<size_t>(items->offset()) * bytes;
    elements.numbers.assign(first, first + count * bytes);
    if (items->null_count() > 0) FillNulls(*items, &elements.numbers);
  }
  return elements;
}

/// The lengths of an array's lists, of which none is null.
template <typename ListArray>
Result<OnnxElements> ReadLists(const ListArray& lists, const std::string& name,
                               const OnnxTensor& tensor, const OnnxFeed& feed) {
  std::vector<int64_t> ends;
  int64_t known = 1;  // elements of a row must be a multiple: of its fixed dimensions
  for (const int64_t size : feed.item) known *= std::max<int64_t>(size, 1);
  for (int64_t i = 0; i < lists.length(); ++i) {
    if (lists.IsNull(i)) {
      return Status::Invalid("feature '", name, "' is null in row ", i,
                             ", and the model takes no missing list; impute it in the feature "
                             "view");
    }
    const int64_t length = lists.value_length(i);
    if (feed.width >= 0 ? length != feed.width : length % known != 0) {
      return Status::Invalid("feature '", name, "' has ", length, " elements in row ", i,
                             "; the model takes ", feed.width >= 0 ? "" : "multiples of ", known,
                             ", of the shape ", ShapeText(feed.item));
    }
    ends.push_back((ends.empty() ? 0 : ends.back()) + length);
  }
  ARROW_ASSIGN_OR_RAISE(auto items, lists.Flatten());
  const auto row = [&](int64_t element) -> int64_t {
    return std::upper_bound(ends.begin(), ends.end(), element) - ends.begin();
  };
  ARROW_ASSIGN_OR_RAISE(OnnxElements elements, ElementsOf(std::move(items), name, tensor, row));
  if (feed.width < 0) elements.ends = std::move(ends);
  return elements;
}

/// Column `c` of `columns` into its places of a row-major matrix.
void Interleave(const OnnxElements& column, size_t c, size_t columns, size_t bytes,
                OnnxElements* matrix) {
  for (size_t i = 0; i < column.words.size(); ++i) {
    matrix->words[i * columns + c] = column.words[i];
  }
  for (size_t i = 0; i * bytes < column.numbers.size(); ++i) {
    std::memcpy(matrix->numbers.data() + (i * columns + c) * bytes,
                column.numbers.data() + i * bytes, bytes);
  }
}

template <typename Number>
Result<OnnxElements> FloatMatrix(const arrow::RecordBatch& input) {
  const std::vector<CategoryCodes> none(static_cast<size_t>(input.num_columns()));
  ARROW_RETURN_NOT_OK(CheckFeatureTypes(*input.schema(), none.size(), none));
  OnnxElements elements;
  elements.numbers.resize(static_cast<size_t>(input.num_rows()) * none.size() * sizeof(Number));
  FillFeatureRows(input, 0, input.num_rows(), none,
                  reinterpret_cast<Number*>(elements.numbers.data()));
  return elements;
}

}  // namespace

std::vector<int64_t> OnnxFeed::Shape(int64_t rows, int64_t elements) const {
  std::vector<int64_t> shape = {rows};
  int64_t known = 1;
  for (const int64_t size : item) known *= std::max<int64_t>(size, 1);
  for (const int64_t size : item) shape.push_back(size < 0 ? elements / known : size);
  return shape;
}

bool OnnxInputs::lists() const {
  return std::any_of(feeds.begin(), feeds.end(), [](const OnnxFeed& feed) { return feed.list; });
}

bool OnnxInputs::open() const {
  return std::any_of(feeds.begin(), feeds.end(),
                     [](const OnnxFeed& feed) { return feed.width < 0; });
}

Result<OnnxInputs> PlanOnnxInputs(const std::vector<OnnxTensor>& tensors,
                                  const arrow::Schema* signature) {
  OnnxInputs inputs;
  arrow::FieldVector columns;
  const auto given = [&](int column) {
    return signature != nullptr && column < signature->num_fields() ? signature->field(column)
                                                                    : nullptr;
  };
  for (const OnnxTensor& tensor : tensors) {
    if (tensor.shape[0] > 1) {
      return Status::NotImplemented("ONNX input '", tensor.name, "' takes ", tensor.shape[0],
                                    " rows at once, no more and no less; export the model with an "
                                    "open first dimension");
    }
    const auto first = static_cast<int>(columns.size());
    const int64_t width = tensor.shape.size() == 1 ? 1 : tensor.shape[1];
    const auto field = given(first);
    const bool given_list = field != nullptr && arrow::is_list(field->type()->id()) &&
                            (tensors.size() > 1 || signature->num_fields() == 1);
    const bool wide = tensors.size() > 1 && width != 1 && (width > 1 || field == nullptr);
    const auto type = ColumnType(tensor);
    if (tensor.shape.size() > 2 || (tensor.shape.size() == 2 && (given_list || wide))) {
      ARROW_ASSIGN_OR_RAISE(OnnxFeed feed, ListFeed(tensor, first));
      if (field != nullptr && !arrow::is_list(field->type()->id())) {
        return Status::Invalid("the signature does not fit the model: input '", field->name(),
                               "' has the type ", field->type()->ToString(),
                               ", the model takes a row of the shape ", ShapeText(feed.item),
                               ": a list");
      }
      columns.push_back(arrow::field(
          tensor.name, feed.width < 0 ? arrow::list(type)
                                      : arrow::fixed_size_list(type,
                                                               static_cast<int32_t>(feed.width))));
      if (field != nullptr) ARROW_RETURN_NOT_OK(CheckFixedList(*field, feed));
      inputs.feeds.push_back(std::move(feed));
      continue;
    }
    OnnxFeed feed{.first = first};
    if (tensor.shape.size() == 2) feed.item = {1};
    if (tensors.size() == 1) {
      const int64_t features = width > 0              ? width
                               : signature == nullptr ? 0
                                                      : signature->num_fields();
      if (features <= 0) {
        return Status::Invalid("ONNX input '", tensor.name,
                               "' does not say how many features it has; give a signature");
      }
      feed.columns = static_cast<int>(features);
      feed.width = features;
      if (tensor.shape.size() == 2) feed.item = {features};
      for (int64_t i = 0; i < features; ++i) {
        columns.push_back(arrow::field("f" + std::to_string(i), type));
      }
    } else {
      columns.push_back(arrow::field(tensor.name, type));
    }
    inputs.feeds.push_back(std::move(feed));
  }
  inputs.columns = arrow::schema(std::move(columns));
  if (signature == nullptr) return inputs;
  if (inputs.columns->num_fields() != signature->num_fields()) {
    return Status::Invalid("the signature does not fit the model: it has ",
                           signature->num_fields(), " inputs, the model takes ",
                           inputs.columns->num_fields());
  }
  for (size_t i = 0; i < inputs.feeds.size(); ++i) {
    const OnnxFeed& feed = inputs.feeds[i];
    for (int c = feed.first; c < feed.first + feed.columns; ++c) {
      ARROW_RETURN_NOT_OK(CheckWords(*signature->field(c), tensors[i]));
    }
  }
  return inputs;
}

OnnxInput OnnxElements::Rows(const OnnxTensor& tensor, const OnnxFeed& feed, int64_t begin,
                             int64_t rows) const {
  int64_t first = begin * feed.width, width = feed.width;
  if (feed.width < 0) {
    first = begin == 0 ? 0 : ends[static_cast<size_t>(begin) - 1];
    width = ends[static_cast<size_t>(begin)] - first;
  }
  OnnxInput input{.shape = feed.Shape(rows, width)};
  if (tensor.words()) {
    input.words = words.data() + first;
  } else {
    input.numbers = numbers.data() + first * tensor.element_bytes();
  }
  return input;
}

Result<OnnxElements> ReadOnnxElements(const arrow::RecordBatch& features, const OnnxTensor& tensor,
                                      const OnnxFeed& feed) {
  const std::string& name = features.column_name(feed.first);
  const std::shared_ptr<arrow::Array>& column = features.column(feed.first);
  if (feed.list) {
    switch (column->type_id()) {
      case arrow::Type::LIST:
        return ReadLists(static_cast<const arrow::ListArray&>(*column), name, tensor, feed);
      case arrow::Type::LARGE_LIST:
        return ReadLists(static_cast<const arrow::LargeListArray&>(*column), name, tensor, feed);
      case arrow::Type::FIXED_SIZE_LIST:
        return ReadLists(static_cast<const arrow::FixedSizeListArray&>(*column), name, tensor,
                         feed);
      default:
        return Status::TypeError("feature '", name, "' has the type ",
                                 column->type()->ToString(), "; the model takes a list of ",
                                 ColumnType(tensor)->ToString());
    }
  }
  const bool is_float = tensor.type->id() == arrow::Type::FLOAT;
  if (is_float || tensor.type->id() == arrow::Type::DOUBLE) {
    std::vector<int> picked(static_cast<size_t>(feed.columns));
    std::iota(picked.begin(), picked.end(), feed.first);
    ARROW_ASSIGN_OR_RAISE(const auto input, features.SelectColumns(picked));
    return is_float ? FloatMatrix<float>(*input) : FloatMatrix<double>(*input);
  }
  const auto own_row = [](int64_t element) { return element; };
  if (feed.columns == 1) return ElementsOf(column, name, tensor, own_row);
  const auto columns = static_cast<size_t>(feed.columns);
  const auto bytes = tensor.words() ? 1 : static_cast<size_t>(tensor.element_bytes());
  const auto cells = static_cast<size_t>(features.num_rows()) * columns;
  OnnxElements matrix;
  (tensor.words() ? matrix.words.resize(cells) : matrix.numbers.resize(cells * bytes));
  for (size_t c = 0; c < columns; ++c) {
    const int number = feed.first + static_cast<int>(c);
    ARROW_ASSIGN_OR_RAISE(
        const OnnxElements one,
        ElementsOf(features.column(number), features.column_name(number), tensor, own_row));
    Interleave(one, c, columns, bytes, &matrix);
  }
  return matrix;
}

}  // namespace tercet
