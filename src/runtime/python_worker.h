#pragma once

#include <string>

namespace tercet {

/// The Python programs of worker processes: standard library, and pyarrow for the data. Kept in the
/// binary, so that a wheel or a copied binary has them wherever it is.
///
/// Frames (worker_process.h) that they take: 'I' with a JSON object once, then 'P' with an Arrow
/// IPC stream of one batch. They answer 'R' (for 'P' with an Arrow IPC stream), or 'E' with
/// {"error", "traceback"}.

/// A predictor class: {"directory", "module", "class", "step", "outputs"}; the step is the one
/// method that is called, empty for predict with what comes before and after it. What comes before
/// a postprocess is behind its answer, in columns "tercet.raw.NAME".
std::string PredictorProgram();

/// A function that is called row by row: {"name", "source", "output"}, the output being an Arrow
/// IPC schema of one field in base64. It answers with a batch of that schema.
std::string FunctionProgram();

}  // namespace tercet
