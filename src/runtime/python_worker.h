#pragma once

#include <string_view>

namespace tercet {

/// The Python program of a worker process: standard library, and pyarrow for the data. Kept in the
/// binary, so that a wheel or a copied binary has it wherever it is.
///
/// Frames (worker_process.h) that it takes: 'I' with {"directory", "module", "class", "outputs"}
/// once, then 'P' with an Arrow IPC stream of one batch. It answers 'R' (for 'P' with an Arrow IPC
/// stream), or 'E' with {"error", "traceback"}.
extern const std::string_view kPythonWorker;

}  // namespace tercet
