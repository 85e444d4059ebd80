#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cell.h"
#include "base/json.h"
#include "base/json_memory.h"
#include "server/tensor.h"

namespace tercet {

/// A request of the Open Inference Protocol, read but not yet fitted to a deployment. It holds
/// views into the body that it was read from and into its own JSON, so it is moved, never copied.
struct InferenceRequest {
  struct Wish {
    std::string name;
    bool binary = false;
  };
  /// What the body's JSON was read into.
  struct Json {
    JsonMemory memory;
    std::optional<json::object> object;
  };
  std::unique_ptr<Json> json = std::make_unique<Json>();
  std::string id;  ///< to be echoed; empty: none
  std::optional<int64_t> event_time_us;
  std::vector<InputTensor> inputs;  ///< at least one; all of the same number of rows
  std::vector<Wish> outputs;        ///< empty: all, in the form that `binary_output` says
  bool binary_output = false;

  InferenceRequest() = default;
  InferenceRequest(InferenceRequest&&) = default;
  InferenceRequest& operator=(InferenceRequest&&) = default;
};

/// Takes a shape: [n], [n, 1], or [n, k] for rows of several values. Invalid for others, for no
/// rows and for too many.
Status SetShape(const std::vector<int64_t>& shape, InputTensor* tensor);

/// Adds an input. Invalid when it has another number of rows than those before.
Status AddInput(InputTensor tensor, InferenceRequest* request);

/// Invalid when an input or an output is there twice.
Status CheckNames(const InferenceRequest& request);

/// NotImplemented for a tensor's parameter that changes what is asked (Triton's classification and
/// shared memory), so that nobody takes the answer for what was meant. `what`: "output 'score'".
Status CheckTensorParameter(std::string_view what, std::string_view parameter);

/// Reads a body: JSON alone, or JSON of `header_length` bytes and binary tensors behind it, in the
/// order of the inputs. `header_length` is the text of Inference-Header-Content-Length, empty for
/// none. Invalid for whatever the protocol does not allow, naming the input.
Result<InferenceRequest> ReadInferenceRequest(std::string_view body,
                                              std::string_view header_length);

/// Triton's raw binary request: the body is the values of the one tensor that the model takes, or
/// of the matrix of its columns, where they have one datatype; a text is one row. Outputs are to be
/// binary. Invalid when the model takes more, or the body is not so many values.
Result<InferenceRequest> ReadRawRequest(std::string_view body, const arrow::Schema& needed);

/// The inputs as columns with the types of `known`. Invalid with a suggestion for an input that is
/// not known; `whose`: "deployment 'delay'".
Result<std::shared_ptr<arrow::RecordBatch>> EntitiesOf(const InferenceRequest& request,
                                                       std::string_view whose,
                                                       const arrow::Schema& known);

/// Like EntitiesOf; but a single input of a name that is not known ("input-0") and of as many
/// values a row as `needed` has columns, of several, is a matrix of these; where only one column is
/// known it is that. So ask the clients of servers that know no names.
Result<std::shared_ptr<arrow::RecordBatch>> EntitiesOf(const InferenceRequest& request,
                                                       std::string_view whose,
                                                       const arrow::Schema& needed,
                                                       const arrow::Schema& known);

/// The cells, row by row, of a request of 1 to `most` rows that has exactly the columns of
/// `needed`, each a tensor of its column's datatype (or FP32 for doubles, INT32 for 64-bit
/// integers), or all in one matrix of a name that is not `known`. They stay as long as the request
/// and `numbers`. False for anything that this short way is not for: EntitiesOf takes it or says
/// why not.
bool CellsOf(const InferenceRequest& request, const arrow::Schema& needed,
             const arrow::Schema& known, size_t most, std::vector<Cell>* cells,
             std::vector<uint64_t>* numbers);

}  // namespace tercet
