#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Opens a library that is installed with Tercet (beside the program or the Python package, in
/// lib/) and linked by nobody, so that a process that does not need it does not carry it. Its
/// symbols stay its own, whatever else the process has loaded. The handle is dlopen's and is never
/// closed. IOError, beginning with `purpose` ("SQL needs DuckDB's library") and naming where it was
/// looked for, when it is not there.
Result<void*> OpenPrivateLibrary(const std::string& file_name, std::string_view purpose);

/// Opens a library of the machine's ("libpq.so.5") in the same way. IOError, naming the Debian
/// `package` that has it, when it is not installed.
Result<void*> OpenSystemLibrary(const std::string& file_name, std::string_view purpose,
                                std::string_view package);

/// A function of a library; IOError when it has none of that name, for then it is of another
/// version.
Result<void*> FindFunction(void* library, const std::string& name, std::string_view purpose);

}  // namespace tercet
