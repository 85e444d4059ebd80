#include "base/name.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include <arrow/util/utf8.h>

#include "base/short_text.h"

namespace tercet {
namespace {

/// Names are not longer; of a longer text the first bytes are compared.
constexpr size_t kMostCompared = 255;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsSameButCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// Levenshtein distance, two rows of the classic table (Wagner and Fischer, 1974).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

Status CheckName(std::string_view noun, std::string_view name) {
  bool good = !name.empty() && name.size() <= 63 && IsLetter(name.front());
  for (const char c : name)
    good = good && (IsLetter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-');
  if (good) return Status::OK();
  return Status::Invalid(noun, " name '", ShortText(name),
                         "' must be 1 to 63 letters, digits, '_' or '-', starting with a letter");
}

Status CheckColumnName(std::string_view name) {
  arrow::util::InitializeUTF8();
  bool good = !name.empty() && name.size() <= 255 && arrow::util::ValidateUTF8(name);
  for (const char c : name) good = good && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  if (good) return Status::OK();
  return Status::Invalid("column name '", ShortText(name),
                         "' must be 1 to 255 bytes of UTF-8 without control characters");
}

std::string Suggest(std::string_view name, const std::vector<std::string>& known) {
  name = name.substr(0, kMostCompared);
  const std::string* nearest = nullptr;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    // What differs by case alone is nearest; what shares no letter is not near.
    const size_t distance =
        IsSameButCase(name, candidate) ? 0 : std::max<size_t>(EditDistance(name, candidate), 1);
    if (distance < least && (distance == 0 || distance < std::max(name.size(), candidate.size()))) {
      least = distance;
      nearest = &candidate;
    }
  }
  if (nearest != nullptr) return " (did you mean '" + *nearest + "'?)";
  if (known.empty() || known.size() > 10) return "";
  std::string list = " (there is ";
  for (size_t i = 0; i < known.size(); ++i) list += (i == 0 ? "'" : ", '") + known[i] + "'";
  return list + ")";
}

}  // namespace tercet
