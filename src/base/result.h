#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <arrow/result.h>
#include <arrow/status.h>

namespace tercet {

/// Arrow's error model, unchanged, is the one error type of every room.
///
/// Which code means what, so that doors can answer alike (Python exception, HTTP status):
///   Invalid        bad input: a value, a schema, a definition          ValueError      400
///   TypeError      a value or column of the wrong type                 TypeError       400
///   KeyError       a name, version or key that does not exist          NotFoundError   404
///   AlreadyExists  a definition that differs from the stored one       ConflictError   409
///   CapacityError  a request larger than its limit                     LimitError      413
///   NotImplemented something that Tercet refuses to do                 NotSupported    501
///   Cancelled      a lost race after all retries, a shutdown           ConflictError   409
///   IOError        disk, network, a corrupt file, a worker that died   StorageError    503
///   ExecutionError code that is not ours failed (a predictor)          PredictorError  500
///   UnknownError   a bug                                               InternalError   500
using arrow::Result;
using arrow::Status;

/// Returns `status` with `what` put before its message: "what: message".
inline Status Explain(const Status& status, std::string_view what) {
  if (status.ok()) return status;
  return status.WithMessage(what, ": ", status.message());
}

}  // namespace tercet
