#include "runtime/lightgbm_text.h"

#include <charconv>
#include <limits>

#include "base/short_text.h"

namespace tercet {
namespace {

template <typename Number>
bool Parse(std::string_view word, Number* number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
  return error == std::errc() && end == word.data() + word.size();
}

template <typename Number>
Result<std::vector<Number>> Numbers(std::string_view key,
                                    const std::vector<std::string_view>& words, size_t count) {
  if (words.size() != count) {
    return Status::IOError("corrupt LightGBM model: '", key, "' has ", words.size(),
                           " numbers, not ", count);
  }
  std::vector<Number> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    if (!Parse(words[i], &numbers[i])) {
      return Status::IOError("corrupt LightGBM model: '", key, "' has '", ShortText(words[i], 40),
                             "', which is no number");
    }
  }
  return numbers;
}

}  // namespace

LightgbmSection LightgbmSection::Read(std::string_view bytes, size_t* at) {
  LightgbmSection section;
  // Empty lines between sections may be more than one.
  while (*at < bytes.size() && (bytes[*at] == '\n' || bytes[*at] == '\r')) ++*at;
  while (*at < bytes.size()) {
    const size_t end = std::min(bytes.find('\n', *at), bytes.size());
    std::string_view line = bytes.substr(*at, end - *at);
    *at = std::min(end + 1, bytes.size());
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) break;
    const size_t equals = line.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1);
    section.lines_.emplace(line.substr(0, equals), value);
  }
  return section;
}

Result<std::string_view> LightgbmSection::Text(std::string_view key) const {
  const auto found = lines_.find(key);
  if (found == lines_.end()) return Status::IOError("corrupt LightGBM model: no '", key, "'");
  return found->second;
}

Result<int64_t> LightgbmSection::Int(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(const std::string_view text, Text(key));
  int64_t number = 0;
  if (!Parse(text, &number)) {
    return Status::IOError("corrupt LightGBM model: '", key, "' is '", ShortText(text, 40),
                           "', no integer");
  }
  return number;
}

Result<std::vector<std::string_view>> LightgbmSection::Words(std::string_view key) const {
  ARROW_ASSIGN_OR_RAISE(const std::string_view text, Text(key));
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Result<std::vector<double>> LightgbmSection::Doubles(std::string_view key, size_t count) const {
  ARROW_ASSIGN_OR_RAISE(const auto words, Words(key));
  return Numbers<double>(key, words, count);
}

Result<std::vector<int64_t>> LightgbmSection::Ints(std::string_view key, size_t count) const {
  ARROW_ASSIGN_OR_RAISE(const auto words, Words(key));
  return Numbers<int64_t>(key, words, count);
}

}  // namespace tercet
