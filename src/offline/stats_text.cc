#include "offline/stats_text.h"

#include <string>

#include "base/time_text.h"

namespace tercet {
namespace {

/// Goes through a JSON text value by value. Every step is nullopt or false at the text's end.
class JsonWalk {
 public:
  explicit JsonWalk(std::string_view text) : text_(text) {}

  bool Take(char c) {
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// A text without its quotes, escapes as they are.
  std::optional<std::string_view> TakeText() {
    if (!Take('"')) return std::nullopt;
    const size_t begin = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        return text_.substr(begin, at_++ - begin);
      }
    }
    return std::nullopt;
  }

  /// Any value, texts with their quotes.
  std::optional<std::string_view> TakeValue() {
    SkipSpace();
    const size_t begin = at_;
    for (int depth = 0; at_ < text_.size();) {
      const char c = text_[at_];
      if (c == '"') {
        if (!TakeText()) return std::nullopt;
        if (depth == 0) return text_.substr(begin, at_ - begin);
        continue;
      }
      const bool ends = c == ',' || c == '}' || c == ']';
      if (ends && depth == 0) break;
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return text_.substr(begin, at_ - begin);
    }
    if (at_ == begin || at_ >= text_.size()) return std::nullopt;
    return text_.substr(begin, at_ - begin);
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' ||
                                  text_[at_] == '\r')) {
      ++at_;
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
};

std::optional<int64_t> TimeIn(std::string_view values, std::string_view column) {
  const auto value = FindJsonMember(values, column);
  if (!value) return std::nullopt;
  const auto text = JsonWalk(*value).TakeText();
  if (!text) return std::nullopt;
  const Result<int64_t> time_us = ParseTime(std::string(*text));
  return time_us.ok() ? std::optional(*time_us) : std::nullopt;
}

}  // namespace

std::optional<std::string_view> FindJsonMember(std::string_view text, std::string_view name) {
  JsonWalk walk(text);
  if (!walk.Take('{')) return std::nullopt;
  while (true) {
    const auto key = walk.TakeText();
    if (!key || !walk.Take(':')) return std::nullopt;
    const auto value = walk.TakeValue();
    if (!value || *key == name) return value;
    if (!walk.Take(',')) return std::nullopt;
  }
}

std::optional<TimeBounds> TimeBoundsOf(std::string_view stats, std::string_view column) {
  constexpr int64_t kMillisecondUs = 1000;
  const auto least = FindJsonMember(stats, "minValues"), most = FindJsonMember(stats, "maxValues");
  if (!least || !most) return std::nullopt;
  const auto min_us = TimeIn(*least, column), max_us = TimeIn(*most, column);
  if (!min_us || !max_us || *max_us > INT64_MAX - kMillisecondUs) return std::nullopt;
  return TimeBounds{*min_us, *max_us + kMillisecondUs};
}

}  // namespace tercet
