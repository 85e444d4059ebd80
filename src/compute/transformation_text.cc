#include <algorithm>
#include <cmath>
#include <cstring>

#include "compute/murmur_hash.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// text_length and hashed_ngrams: numbers out of texts, without fitting.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

using Text = std::string_view;

Status CheckText(Kind kind) {
  if (kind == Kind::kString || kind == Kind::kNull) return Status::OK();
  return Status::TypeError("takes strings, not ", expr::KindName(kind));
}

Result<Value> AsText(Binder& binder, const Value& input) {
  ARROW_RETURN_NOT_OK(CheckText(input.type.kind));
  return binder.As(input, expr::kStringType);
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int64_t Characters(Text text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); });
}

int64_t Words(Text text) {
  int64_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    words += !IsSpace(text[i]) && (i == 0 || IsSpace(text[i - 1])) ? 1 : 0;
  }
  return words;
}

int64_t Bytes(Text text) { return static_cast<int64_t>(text.size()); }

Status CheckLength(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"unit"}));
  ARROW_RETURN_NOT_OK(WordOption(options, "unit", {"characters", "words", "bytes"}).status());
  return CheckText(kind);
}

Result<std::vector<Value>> BindLength(Binder& binder, const Value& input,
                                      const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const auto unit,
                        WordOption(options, "unit", {"characters", "words", "bytes"}));
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, input));
  const expr::Kernel kernel = unit == "words"   ? expr::Map1<Text, int64_t, Words>
                              : unit == "bytes" ? expr::Map1<Text, int64_t, Bytes>
                                                : expr::Map1<Text, int64_t, Characters>;
  return std::vector<Value>{binder.Emit(kernel, expr::kIntType, {text})};
}

struct Ngrams {
  int64_t features;
  int64_t least;  ///< terms in an n-gram
  int64_t most;
  bool words;
  bool signs;
  bool normalize;
};

/// Letters, digits and _ of ASCII, and what is beyond it but for spaces and general punctuation.
bool IsWordStart(Text text, size_t i, size_t* length) {
  const auto at = [&](size_t k) {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
  };
  const unsigned first = at(0);
  *length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  *length = std::min(*length, text.size() - i);
  if (first < 0x80) {
    return (first >= '0' && first <= '9') || (first >= 'a' && first <= 'z') ||
           (first >= 'A' && first <= 'Z') || first == '_';
  }
  if (first == 0xC2) return at(1) == 0xAA || at(1) == 0xB5 || at(1) == 0xBA;  // ª µ º
  if (first == 0xE2) return at(1) > 0x81;   // not U+2000…U+207F
  if (first == 0xE3) return at(1) != 0x80;  // not U+3000…U+303F
  return true;
}

/// Runs of two or more word characters, as scikit-learn's default pattern finds them.
void TakeWords(Text text, std::vector<Text>* terms) {
  for (size_t i = 0; i < text.size();) {
    size_t end = i, count = 0, length = 0;
    while (end < text.size() && IsWordStart(text, end, &length)) {
      end += length;
      ++count;
    }
    if (count >= 2) terms->push_back(text.substr(i, end - i));
    i = count > 0 ? end : i + std::max<size_t>(length, 1);
  }
}

/// One term a character; runs of two or more spaces are one.
Text TakeCharacters(Text text, Arena& arena, std::vector<Text>* terms) {
  char* out = arena.Take(text.size());
  size_t size = 0;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && IsSpace(text[end])) ++end;
    if (end - i >= 2) {
      out[size++] = ' ';
      i = end;
    } else {
      out[size++] = text[i++];
    }
  }
  for (size_t i = 0; i < size;) {
    size_t end = i + 1;
    while (end < size && IsContinuation(out[end])) ++end;
    terms->emplace_back(out + i, end - i);
    i = end;
  }
  return {out, size};
}

/// Hashes every n-gram of one text into `sums`, as scikit-learn's HashingVectorizer.
void Vectorize(const Ngrams& ngrams, Text text, Arena& arena, std::vector<Text>* terms,
               double* sums) {
  terms->clear();
  if (ngrams.words) {
    TakeWords(text, terms);
  } else {
    TakeCharacters(text, arena, terms);
  }
  const auto features = static_cast<size_t>(ngrams.features);
  std::fill(sums, sums + features, 0);
  std::string joined;
  for (size_t begin = 0; begin < terms->size(); ++begin) {
    joined.clear();
    for (int64_t n = 1; n <= ngrams.most && begin + static_cast<size_t>(n) <= terms->size(); ++n) {
      if (n > 1 && ngrams.words) joined += ' ';
      joined += (*terms)[begin + static_cast<size_t>(n) - 1];
      if (n < ngrams.least) continue;
      const int32_t hash = MurmurHash32(joined);
      sums[HashedFeature(hash, ngrams.features)] += ngrams.signs && hash < 0 ? -1 : 1;
    }
  }
  if (!ngrams.normalize) return;
  double squares = 0;
  for (size_t k = 0; k < features; ++k) squares += sums[k] * sums[k];
  if (squares == 0) return;
  const double length = std::sqrt(squares);
  for (size_t k = 0; k < features; ++k) sums[k] /= length;
}

/// A row's vector as the bytes of a text, from which each feature's column is then taken: all
/// columns come of one pass over the text.
void AllFeatures(const Instruction& instruction, Run& run) {
  const auto& ngrams = instruction.Payload<Ngrams>();
  const Text* a = expr::In<Text>(instruction, run);
  Text* out = expr::Out<Text>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  const expr::Register& result = run.registers[instruction.out];
  const size_t bytes = static_cast<size_t>(ngrams.features) * sizeof(double);
  std::vector<Text> terms;
  std::vector<double> sums(static_cast<size_t>(ngrams.features));
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = {};
    if (result.has_nulls && result.valid[i] == 0) continue;
    Vectorize(ngrams, a[i], *run.arena, &terms, sums.data());
    out[i] = run.arena->Copy({reinterpret_cast<const char*>(sums.data()), bytes});
  }
}

void OneFeature(const Instruction& instruction, Run& run) {
  const Text* a = expr::In<Text>(instruction, run);
  double* out = expr::Out<double>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  const size_t at = static_cast<size_t>(instruction.number) * sizeof(double);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = 0;
    if (!a[i].empty()) std::memcpy(&out[i], a[i].data() + at, sizeof(double));
  }
}

constexpr int64_t kMaxFeatures = 10'000;

Result<Ngrams> NgramsOf(const json::object& options) {
  Ngrams ngrams;
  ARROW_ASSIGN_OR_RAISE(ngrams.features, CountOption(options, "n_features", 32, 1, kMaxFeatures));
  ARROW_ASSIGN_OR_RAISE(ngrams.least, CountOption(options, "min_n", 1, 1, 10));
  ARROW_ASSIGN_OR_RAISE(ngrams.most, CountOption(options, "max_n", ngrams.least, 1, 10));
  if (ngrams.most < ngrams.least) {
    return Status::Invalid("takes a 'max_n' of at least its 'min_n', not ", ngrams.most, " and ",
                           ngrams.least);
  }
  ARROW_ASSIGN_OR_RAISE(const auto analyzer, WordOption(options, "analyzer", {"word", "char"}));
  ARROW_ASSIGN_OR_RAISE(const auto norm, WordOption(options, "norm", {"l2", "none"}));
  ARROW_ASSIGN_OR_RAISE(const auto signs, FindBool(options, "alternate_sign"));
  ARROW_RETURN_NOT_OK(FindBool(options, "lowercase").status());
  ngrams.words = analyzer == "word";
  ngrams.signs = signs.value_or(true);
  ngrams.normalize = norm == "l2";
  return ngrams;
}

Status CheckNgrams(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"n_features", "min_n", "max_n", "analyzer",
                                                 "norm", "alternate_sign", "lowercase"}));
  ARROW_RETURN_NOT_OK(NgramsOf(options).status());
  return CheckText(kind);
}

Result<std::vector<std::string>> NgramNames(const std::string& column,
                                            const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Ngrams ngrams, NgramsOf(options));
  std::vector<std::string> names;
  for (int64_t k = 0; k < ngrams.features; ++k) names.push_back(column + "_h" + std::to_string(k));
  return names;
}

Result<Value> Lower(Binder& binder, const Value& text) {
  for (const expr::Function& function : expr::TextFunctions()) {
    if (function.name != "lower") continue;
    Value argument = text;
    return function.bind(binder, expr::Node{}, {&argument, 1});
  }
  return Status::UnknownError("there is no function 'lower'");
}

Result<std::vector<Value>> BindNgrams(Binder& binder, const Value& input,
                                      const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Ngrams ngrams, NgramsOf(options));
  ARROW_ASSIGN_OR_RAISE(const auto lowercase, FindBool(options, "lowercase"));
  ARROW_ASSIGN_OR_RAISE(Value text, AsText(binder, input));
  if (lowercase.value_or(true)) {
    ARROW_ASSIGN_OR_RAISE(text, Lower(binder, text));
  }
  const Value all = binder.Emit(AllFeatures, expr::kStringType, {text}, 0, binder.Own(ngrams));
  std::vector<Value> columns;
  for (int64_t k = 0; k < ngrams.features; ++k) {
    columns.push_back(binder.Emit(OneFeature, expr::kDoubleType, {all}, k));
  }
  return columns;
}

Kind IntAnswer(const json::object&, Kind, size_t) { return Kind::kInt; }

constexpr TransformationKind kKinds[] = {
    {.name = "text_length", .check = CheckLength, .bind = BindLength, .answer = IntAnswer},
    {.name = "hashed_ngrams", .check = CheckNgrams, .bind = BindNgrams, .outputs = NgramNames},
};

}  // namespace

std::span<const TransformationKind> TextKinds() { return kKinds; }

}  // namespace tercet
