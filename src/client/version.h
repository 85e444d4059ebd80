#pragma once

#include <string_view>

namespace tercet {

/// Of this build; the same as in CMakeLists.txt.
inline constexpr std::string_view kTercetVersion = "0.1.0";

}  // namespace tercet
