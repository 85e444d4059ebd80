#include <algorithm>

#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>
#include <arrow/scalar.h>

#include "base/parallel.h"
#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// Functions of texts. Lengths and places count characters (Unicode code points), not bytes.
namespace tercet::expr {
namespace {

using Text = std::string_view;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int64_t Length(Text text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); });
}

bool IsAscii(Text text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// Letters beyond ASCII go through Arrow's Unicode tables, one text at a time: they are rare in
/// keys and categories. A text that is not UTF-8 keeps its bytes.
Text ChangeCase(Arena& arena, Text text, bool upper) {
  if (!IsAscii(text)) {
    InitializeArrow();
    auto changed = arrow::compute::CallFunction(upper ? "utf8_upper" : "utf8_lower",
                                                {arrow::Datum(std::string(text))});
    if (!changed.ok()) return text;
    return arena.Copy(changed->scalar_as<arrow::StringScalar>().view());
  }
  char* out = arena.Take(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = upper ? (c >= 'a' && c <= 'z') : (c >= 'A' && c <= 'Z');
    out[i] = letter ? static_cast<char>(c ^ 0x20) : c;
  }
  return {out, text.size()};
}

Text Trim(Arena&, Text text) {
  constexpr Text kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == Text::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Text Concat(Arena& arena, Text a, Text b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  char* out = arena.Take(a.size() + b.size());
  std::memcpy(out, a.data(), a.size());
  std::memcpy(out + a.size(), b.data(), b.size());
  return {out, a.size() + b.size()};
}

/// The text from its `first` character on, counted from 1; what lies before the text is cut off.
Text Tail(Arena&, Text text, int64_t first) {
  size_t at = 0;
  for (int64_t skipped = 1; skipped < first && at < text.size(); ++skipped) {
    do ++at;
    while (at < text.size() && IsContinuation(text[at]));
  }
  return text.substr(at);
}

Text Head(Arena&, Text text, int64_t length) {
  size_t at = 0;
  for (int64_t taken = 0; taken < length && at < text.size(); ++taken) {
    do ++at;
    while (at < text.size() && IsContinuation(text[at]));
  }
  return text.substr(0, at);
}

/// SQL's like: % any characters, _ one character, no escape. Linear but for the last %.
bool Like(Text text, Text pattern) {
  size_t t = 0, p = 0, star = Text::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      do ++t;
      while (t < text.size() && IsContinuation(text[t]));
      ++p;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != Text::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

Result<Value> AsText(Binder& binder, const Value& value) {
  return binder.AsKind(value, Kind::kString, "strings (convert with string(x))");
}

template <auto F>
Result<Value> BindText(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, AsText(binder, arguments[0]));
  return binder.Emit(MapText1<Text, F>, kStringType, {a});
}

template <auto F>
Result<Value> BindTest(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value b, AsText(binder, arguments[1]));
  return binder.Emit(Map2<Text, Text, Bool, F>, kBoolType, {a, b});
}

Result<Value> BindLength(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, AsText(binder, arguments[0]));
  return binder.Emit(Map1<Text, int64_t, Length>, kIntType, {a});
}

Result<Value> BindConcat(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(Value result, AsText(binder, arguments[0]));
  for (const Value& argument : arguments.subspan(1)) {
    ARROW_ASSIGN_OR_RAISE(const Value next, AsText(binder, argument));
    result = binder.Emit(MapText2<Text, Text, Concat>, kStringType, {result, next});
  }
  return result;
}

/// substring(text, first) or (text, first, length); characters before the first count as in SQL:
/// substring('abc', 0, 2) is 'a'.
Result<Value> BindSubstring(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value first,
                        binder.AsKind(arguments[1], Kind::kInt, "an int64 as its first place"));
  const Value tail = binder.Emit(MapText2<Text, int64_t, Tail>, kStringType, {text, first});
  if (arguments.size() == 2) return tail;
  ARROW_ASSIGN_OR_RAISE(const Value length,
                        binder.AsKind(arguments[2], Kind::kInt, "an int64 as its length"));
  // A first place before 1 takes from the length.
  const Value left =
      binder.Emit(Map2<int64_t, int64_t, int64_t,
                       [](int64_t from, int64_t n) {
                         int64_t rest;
                         if (from >= 1) return n;
                         return __builtin_add_overflow(n, from - 1, &rest) ? int64_t{0} : rest;
                       }>,
                  kIntType, {first, length});
  return binder.Emit(MapText2<Text, int64_t, Head>, kStringType, {tail, left});
}

constexpr Function kFunctions[] = {
    {"lower", 1, 1, BindText<[](Arena& arena, Text a) { return ChangeCase(arena, a, false); }>},
    {"upper", 1, 1, BindText<[](Arena& arena, Text a) { return ChangeCase(arena, a, true); }>},
    {"trim", 1, 1, BindText<Trim>},
    {"length", 1, 1, BindLength},
    {"concat", 1, -1, BindConcat},
    {"||", 2, 2, BindConcat},
    {"substring", 2, 3, BindSubstring},
    {"starts_with", 2, 2, BindTest<[](Text a, Text b) { return Bool{a.starts_with(b)}; }>},
    {"ends_with", 2, 2, BindTest<[](Text a, Text b) { return Bool{a.ends_with(b)}; }>},
    {"contains", 2, 2,
     BindTest<[](Text a, Text b) { return static_cast<Bool>(a.find(b) != Text::npos); }>},
    {"like", 2, 2, BindTest<[](Text a, Text b) { return Bool{Like(a, b)}; }>},
};

}  // namespace

std::span<const Function> TextFunctions() { return kFunctions; }

}  // namespace tercet::expr
