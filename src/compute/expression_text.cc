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

/// Every `from` by `to`, from the left; an empty `from` is nowhere.
Text Replace(Arena& arena, Text text, Text from, Text to) {
  size_t count = 0;
  if (from.empty()) return text;
  for (size_t at = text.find(from); at != Text::npos; at = text.find(from, at + from.size())) {
    ++count;
  }
  if (count == 0) return text;
  const size_t size = text.size() - count * from.size() + count * to.size();
  char* out = arena.Take(size);
  char* next = out;
  const auto append = [&next](Text part) {
    if (!part.empty()) std::memcpy(next, part.data(), part.size());
    next += part.size();
  };
  for (size_t at = text.find(from); at != Text::npos; at = text.find(from)) {
    append(text.substr(0, at));
    append(to);
    text.remove_prefix(at + from.size());
  }
  append(text);
  return {out, size};
}

/// The n-th part between separators, counted from 1, from the end where n is negative; empty where
/// there is none. An empty separator parts nothing.
Text SplitPart(Arena&, Text text, Text separator, int64_t n) {
  if (separator.empty()) return n == 1 || n == -1 ? text : Text();
  if (n < 0) {
    int64_t parts = 1;
    for (size_t at = text.find(separator); at != Text::npos;
         at = text.find(separator, at + separator.size())) {
      ++parts;
    }
    n = n < -parts ? 0 : parts + 1 + n;
  }
  if (n < 1) return {};
  for (; n > 1; --n) {
    const size_t at = text.find(separator);
    if (at == Text::npos) return {};
    text.remove_prefix(at + separator.size());
  }
  return text.substr(0, text.find(separator));
}

/// Texts: F(arena, a, b, c); null where one of them is.
template <typename C, auto F>
void MapText3(const Instruction& instruction, Run& run) {
  const Text* a = In<Text>(instruction, run, 0);
  const Text* b = In<Text>(instruction, run, 1);
  const C* c = In<C>(instruction, run, 2);
  auto* out = Out<Text>(instruction, run);
  AndValidity(instruction, run, 3);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = skip ? Text() : F(*run.arena, a[i], b[i], c[i]);
  }
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

Result<Value> BindReplace(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value from, AsText(binder, arguments[1]));
  ARROW_ASSIGN_OR_RAISE(const Value to, AsText(binder, arguments[2]));
  return binder.Emit(MapText3<Text, Replace>, kStringType, {text, from, to});
}

Result<Value> BindSplitPart(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value separator, AsText(binder, arguments[1]));
  ARROW_ASSIGN_OR_RAISE(const Value n,
                        binder.AsKind(arguments[2], Kind::kInt, "an int64 as its part"));
  return binder.Emit(MapText3<int64_t, SplitPart>, kStringType, {text, separator, n});
}

constexpr Function kFunctions[] = {
    {"lower", 1, 1, BindText<[](Arena& arena, Text a) { return ChangeCase(arena, a, false); }>},
    {"upper", 1, 1, BindText<[](Arena& arena, Text a) { return ChangeCase(arena, a, true); }>},
    {"trim", 1, 1, BindText<Trim>},
    {"length", 1, 1, BindLength},
    {"concat", 1, -1, BindConcat},
    {"||", 2, 2, BindConcat},
    {"substring", 2, 3, BindSubstring},
    {"substr", 2, 3, BindSubstring},
    {"replace", 3, 3, BindReplace},
    {"split_part", 3, 3, BindSplitPart},
    {"starts_with", 2, 2, BindTest<[](Text a, Text b) { return Bool{a.starts_with(b)}; }>},
    {"ends_with", 2, 2, BindTest<[](Text a, Text b) { return Bool{a.ends_with(b)}; }>},
    {"contains", 2, 2,
     BindTest<[](Text a, Text b) { return static_cast<Bool>(a.find(b) != Text::npos); }>},
    {"like", 2, 2, BindTest<[](Text a, Text b) { return Bool{Like(a, b)}; }>},
};

}  // namespace

std::span<const Function> TextFunctions() { return kFunctions; }

}  // namespace tercet::expr
