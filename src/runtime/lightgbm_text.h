#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// "key=value" lines of a LightGBM model, up to an empty line. Views into the file's bytes.
class LightgbmSection {
 public:
  /// Reads the section that begins at `*at` and moves `*at` past it.
  static LightgbmSection Read(std::string_view bytes, size_t* at);

  bool empty() const { return lines_.empty(); }
  bool Has(std::string_view key) const { return lines_.find(key) != lines_.end(); }
  /// IOError, naming the key, when it is missing or not of that form.
  Result<std::string_view> Text(std::string_view key) const;
  Result<int64_t> Int(std::string_view key) const;
  Result<std::vector<double>> Doubles(std::string_view key, size_t count) const;
  Result<std::vector<int64_t>> Ints(std::string_view key, size_t count) const;
  /// Words between spaces.
  Result<std::vector<std::string_view>> Words(std::string_view key) const;

 private:
  std::map<std::string_view, std::string_view> lines_;
};

}  // namespace tercet
