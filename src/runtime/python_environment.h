#pragma once

#include <string>

#include "base/result.h"

namespace tercet {

/// The interpreter of a virtual environment with what `requirements` (the text of a
/// requirements.txt) names, and pyarrow, which workers need. The environment lies in `folder`,
/// under the hash of those requirements and the version of `python`, which makes it by its own venv
/// and pip: the first call takes as long as that does, later ones of any process find it. Processes
/// that want the same environment wait for the one that makes it; one that was interrupted is made
/// anew. pip's settings (index, proxies) are those of this process's environment and the machine.
/// Code of packages may run on the way, as it will later.
///
/// ExecutionError with pip's last lines when it can't be made; IOError when `python` can't be
/// started or takes longer than half an hour. Thread-safe.
Result<std::string> EnsurePythonEnvironment(const std::string& folder, const std::string& python,
                                            const std::string& requirements);

}  // namespace tercet
