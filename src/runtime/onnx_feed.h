#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/result.h"
#include "runtime/onnx_session.h"

namespace tercet {

/// How columns of features become one input of an ONNX model: a matrix of several columns, one
/// column of (rows) or (rows, 1), or one column of lists, whose elements are a row of the tensor in
/// row-major order.
struct OnnxFeed {
  int first = 0, columns = 1;    ///< of the features
  bool list = false;
  std::vector<int64_t> item;     ///< the tensor's dimensions behind the rows; at most one is −1
  int64_t width = 1;             ///< elements a row; −1 where rows have as many as they like

  /// The tensor's shape for `rows` rows of `elements` elements each.
  std::vector<int64_t> Shape(int64_t rows, int64_t elements) const;
};

/// The columns that a model takes, and how they feed it.
struct OnnxInputs {
  std::shared_ptr<arrow::Schema> columns;
  std::vector<OnnxFeed> feeds;  ///< one an input

  bool lists() const;
  /// Whether rows may have different numbers of elements.
  bool open() const;
};

/// From the model's inputs and the signature's, which decides where the model leaves it open; null
/// to infer one. A single input of (rows, n) is n features "f0", "f1" …, or one list where the
/// signature says so; of several, each is one column, and a list where it has several elements a
/// row. Invalid when the signature does not fit, NotImplemented for what no columns can feed.
Result<OnnxInputs> PlanOnnxInputs(const std::vector<OnnxTensor>& tensors,
                                  const arrow::Schema* signature);

/// All elements of one input for the rows of a batch.
struct OnnxElements {
  std::vector<uint8_t> numbers;     ///< or words
  std::vector<std::string> words;
  std::vector<int64_t> ends;        ///< of each row, where they are not equally long

  /// The tensor of rows [begin, begin + rows), which are equally long.
  OnnxInput Rows(const OnnxTensor& tensor, const OnnxFeed& feed, int64_t begin, int64_t rows) const;
};

/// Reads an input's columns. Nulls are NaN in floating-point tensors; Invalid for other nulls and
/// for lists of a wrong length, TypeError for what can't be cast.
Result<OnnxElements> ReadOnnxElements(const arrow::RecordBatch& features, const OnnxTensor& tensor,
                                      const OnnxFeed& feed);

}  // namespace tercet
