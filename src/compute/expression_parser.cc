#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_set>

#include <arrow/util/utf8.h>

#include "base/short_text.h"
#include "compute/expression_token.h"
#include "compute/expression_tree.h"

namespace tercet::expr {

std::string Located(std::string_view text, uint32_t position, std::string_view message) {
  return "expression '" + ShortText(text, 120) + "' at character " +
         std::to_string(position + 1) + ": " +
         std::string(message);
}

std::vector<std::string> PartsOf(std::string_view dotted) {
  std::vector<std::string> parts;
  while (true) {
    const size_t dot = dotted.find('.');
    parts.emplace_back(dotted.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    dotted.remove_prefix(dot + 1);
  }
}

namespace {

constexpr size_t kMaxBytes = 64 << 10;
constexpr int kMaxDepth = 200;

/// How tightly operators bind, loosest first.
enum Level : int { kAny, kOr, kAnd, kNot, kCompare, kConcat, kSum, kProduct, kNegate, kPower };

const std::unordered_set<std::string_view>& ReservedWords() {
  static const std::unordered_set<std::string_view> words = {
      "and",  "or",   "not",  "is",   "null", "true", "false",  "in",
      "like", "case", "when", "then", "else", "end",  "between"};
  return words;
}

/// Recursive descent with precedence climbing. Chains of left-associative operators loop; only
/// nesting recurses, and depth_ bounds it.
class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : tree_(std::make_shared<Tree>()), tokens_(std::move(tokens)) {
    tree_->text = text;
  }

  Result<std::shared_ptr<const Tree>> Run() {
    ARROW_RETURN_NOT_OK(Parse(kAny).status());
    if (Now().form != Token::Form::kEnd) return Expected("an operator or the end");
    return tree_;
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& Take() { return tokens_[at_++]; }

  bool IsSign(std::string_view sign) const {
    return Now().form == Token::Form::kSign && Now().text == sign;
  }
  bool IsWord(std::string_view word) const {
    return Now().form == Token::Form::kWord && Now().lower == word;
  }
  bool TakeSign(std::string_view sign) { return IsSign(sign) && ++at_; }
  bool TakeWord(std::string_view word) { return IsWord(word) && ++at_; }

  Status Error(uint32_t position, std::string_view message) const {
    return Status::Invalid(Located(tree_->text, position, message));
  }
  Status Expected(std::string_view what) const {
    const Token& now = Now();
    const std::string found = now.form == Token::Form::kEnd ? "the end" : "'" + now.text + "'";
    return Error(now.position, "expected " + std::string(what) + ", found " + found);
  }
  Status ExpectSign(std::string_view sign) {
    return TakeSign(sign) ? Status::OK() : Expected("'" + std::string(sign) + "'");
  }
  Status ExpectWord(std::string_view word) {
    return TakeWord(word) ? Status::OK() : Expected("'" + std::string(word) + "'");
  }

  int32_t Add(Node node) {
    tree_->nodes.push_back(std::move(node));
    return static_cast<int32_t>(tree_->nodes.size() - 1);
  }
  int32_t Call(std::string_view name, uint32_t position, std::vector<int32_t> arguments) {
    Node node;
    node.form = Node::Form::kCall;
    node.position = position;
    node.name = name;
    node.arguments = std::move(arguments);
    return Add(std::move(node));
  }
  int32_t Constant(Literal literal, uint32_t position) {
    Node node;
    node.position = position;
    node.literal = std::move(literal);
    return Add(std::move(node));
  }

  Result<int32_t> Parse(int level) {
    if (++depth_ > kMaxDepth) {
      return Error(Now().position,
                   "nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    ARROW_ASSIGN_OR_RAISE(int32_t left, ParsePrefix());
    int compared = 0;
    while (true) {
      const std::string sign = Operator();
      const int binds = LevelOf(sign);
      if (sign.empty() || binds < level) break;
      if (binds == kCompare && compared++ > 0) {
        return Error(Now().position,
                     "comparisons don't chain; write 'a < b and b < c' or use brackets");
      }
      ARROW_ASSIGN_OR_RAISE(left, ParseInfix(sign, binds, left));
    }
    --depth_;
    return left;
  }

  /// The operator that stands here, in one spelling, or "" when none does.
  std::string Operator() const {
    const Token& now = Now();
    if (now.form == Token::Form::kSign) {
      if (now.text == "==") return "=";
      if (now.text == "!=") return "<>";
      if (now.text == "^") return "**";
      return LevelOf(now.text) > kAny ? now.text : "";
    }
    if (now.form == Token::Form::kWord) {
      if (now.lower == "not") {
        const Token& next = Next();
        const bool negated =
            next.form == Token::Form::kWord &&
            (next.lower == "in" || next.lower == "between" || next.lower == "like");
        return negated ? "not " + next.lower : "";
      }
      return LevelOf(now.lower) > kAny ? now.lower : "";
    }
    return "";
  }

  static int LevelOf(std::string_view sign) {
    if (sign == "or") return kOr;
    if (sign == "and") return kAnd;
    if (sign == "=" || sign == "<>" || sign == "<" || sign == "<=" || sign == ">" || sign == ">=" ||
        sign == "==" || sign == "!=" || sign == "is" || sign == "in" || sign == "between" ||
        sign == "like" || sign == "not in" || sign == "not between" || sign == "not like") {
      return kCompare;
    }
    if (sign == "||") return kConcat;
    if (sign == "+" || sign == "-") return kSum;
    if (sign == "*" || sign == "/" || sign == "//" || sign == "%") return kProduct;
    if (sign == "**" || sign == "^") return kPower;
    return kAny;
  }

  Result<int32_t> ParseInfix(const std::string& sign, int binds, int32_t left) {
    const uint32_t position = Take().position;
    if (sign == "is") {
      const bool negated = TakeWord("not");
      ARROW_RETURN_NOT_OK(ExpectWord("null"));
      const int32_t is_null = Call("is null", position, {left});
      return negated ? Call("not", position, {is_null}) : is_null;
    }
    if (sign.starts_with("not ")) {
      ARROW_ASSIGN_OR_RAISE(int32_t found, ParseInfix(sign.substr(4), binds, left));
      return Call("not", position, {found});
    }
    if (sign == "in") return ParseIn(position, left);
    if (sign == "between") {
      ARROW_ASSIGN_OR_RAISE(int32_t low, Parse(kConcat));
      ARROW_RETURN_NOT_OK(ExpectWord("and"));
      ARROW_ASSIGN_OR_RAISE(int32_t high, Parse(kConcat));
      return Call("between", position, {left, low, high});
    }
    // A power binds to the right, and its exponent may have a sign: 2 ** -1.
    ARROW_ASSIGN_OR_RAISE(int32_t right, Parse(binds == kPower ? kNegate : binds + 1));
    return Call(sign, position, {left, right});
  }

  Result<int32_t> ParseIn(uint32_t position, int32_t left) {
    const bool square = IsSign("[");
    if (!square && !IsSign("(")) return Expected("'(' and a list of values");
    Take();
    std::vector<int32_t> arguments = {left};
    ARROW_RETURN_NOT_OK(ParseList(square ? "]" : ")", &arguments));
    if (arguments.size() == 1) return Error(position, "'in' needs at least one value");
    return Call("in", position, std::move(arguments));
  }

  /// Expressions between commas, and the closing bracket.
  Status ParseList(std::string_view close, std::vector<int32_t>* arguments) {
    if (TakeSign(close)) return Status::OK();
    do {
      ARROW_ASSIGN_OR_RAISE(int32_t argument, Parse(kAny));
      arguments->push_back(argument);
    } while (TakeSign(","));
    return TakeSign(close) ? Status::OK() : Expected("',' or '" + std::string(close) + "'");
  }

  Result<int32_t> ParsePrefix() {
    const uint32_t position = Now().position;
    if (TakeWord("not")) {
      ARROW_ASSIGN_OR_RAISE(int32_t operand, Parse(kNot));
      return Call("not", position, {operand});
    }
    if (TakeSign("-")) {
      // Read with its sign, so that the least integer can be written.
      if (Now().form == Token::Form::kInteger && Next().text != "**" && Next().text != "^") {
        return ParseInteger("-");
      }
      ARROW_ASSIGN_OR_RAISE(int32_t operand, Parse(kNegate));
      return Call("negate", position, {operand});
    }
    if (TakeSign("+")) return Parse(kNegate);
    ARROW_ASSIGN_OR_RAISE(int32_t value, ParsePrimary());
    while (IsSign("[") || IsSign(".")) {
      ARROW_ASSIGN_OR_RAISE(value, ParsePart(value));
    }
    return value;
  }

  /// value['part'] and value.part, of a map or struct, are the call element_at(value, 'part').
  Result<int32_t> ParsePart(int32_t value) {
    const uint32_t position = Now().position;
    if (TakeSign("[")) {
      ARROW_ASSIGN_OR_RAISE(const int32_t part, Parse(kAny));
      ARROW_RETURN_NOT_OK(ExpectSign("]"));
      return Call("element_at", position, {value, part});
    }
    Take();
    if (Now().form != Token::Form::kWord && Now().form != Token::Form::kQuoted) {
      return Expected("the name of a member");
    }
    const Token& names = Take();
    for (const std::string& name : PartsOf(names.text)) {
      const int32_t part = Constant(
          {.kind = Kind::kString, .valid = true, .text = name}, names.position);
      value = Call("element_at", position, {value, part});
    }
    return value;
  }

  Result<int32_t> ParseInteger(std::string sign) {
    const Token& token = Take();
    const std::string digits = sign + token.text;
    Literal literal{.kind = Kind::kInt, .valid = true};
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), literal.integer);
    if (error != std::errc()) {
      return Error(token.position, "the integer " + digits +
                                       " does not fit in 64 bits; write it with a decimal point");
    }
    return Constant(literal, token.position);
  }

  Result<int32_t> ParsePrimary() {
    const Token& token = Now();
    switch (token.form) {
      case Token::Form::kInteger:
        return ParseInteger("");
      case Token::Form::kNumber: {
        Take();
        Literal literal{.kind = Kind::kDouble, .valid = true};
        const auto [end, error] = std::from_chars(
            token.text.data(), token.text.data() + token.text.size(), literal.number);
        if (error != std::errc()) {
          return Error(token.position, "the number " + token.text + " is out of range");
        }
        return Constant(literal, token.position);
      }
      case Token::Form::kText:
        Take();
        return Constant({.kind = Kind::kString, .valid = true, .text = token.text}, token.position);
      case Token::Form::kQuoted:
        Take();
        return Column(token);
      case Token::Form::kWord:
        return ParseWord();
      case Token::Form::kSign:
        if (TakeSign("(")) {
          ARROW_ASSIGN_OR_RAISE(int32_t inner, Parse(kAny));
          ARROW_RETURN_NOT_OK(ExpectSign(")"));
          return inner;
        }
        break;
      case Token::Form::kEnd:
        break;
    }
    return Expected("a value, a column or a function");
  }

  int32_t Column(const Token& token) {
    Node node;
    node.form = Node::Form::kColumn;
    node.position = token.position;
    node.quoted = token.form == Token::Form::kQuoted;
    node.name = token.text;
    if (seen_.insert(token.text).second) tree_->columns.push_back(token.text);
    return Add(std::move(node));
  }

  Result<int32_t> ParseWord() {
    const Token& word = Now();
    const uint32_t position = word.position;
    if (TakeWord("null")) return Constant({}, position);
    if (TakeWord("true")) {
      return Constant({.kind = Kind::kBool, .valid = true, .integer = 1}, position);
    }
    if (TakeWord("false")) return Constant({.kind = Kind::kBool, .valid = true}, position);
    if (TakeWord("case")) return ParseCase(position);
    if (ReservedWords().contains(word.lower)) {
      return Expected("a value, a column (a column named like a keyword goes in double quotes)");
    }
    Take();
    if ((word.lower == "timestamp" || word.lower == "date") && Now().form == Token::Form::kText) {
      const Token& text = Take();
      return Call(
          word.lower, position,
          {Constant({.kind = Kind::kString, .valid = true, .text = text.text}, text.position)});
    }
    if (!TakeSign("(")) return Column(word);
    if (word.lower == "cast") return ParseCast(position);
    std::vector<int32_t> arguments;
    ARROW_RETURN_NOT_OK(ParseList(")", &arguments));
    return Call(word.lower, position, std::move(arguments));
  }

  /// cast(x as double) is the call double(x).
  Result<int32_t> ParseCast(uint32_t position) {
    ARROW_ASSIGN_OR_RAISE(int32_t operand, Parse(kAny));
    ARROW_RETURN_NOT_OK(ExpectWord("as"));
    static const std::unordered_set<std::string_view> types = {
        "double", "float",   "real",      "float64",  "int",  "integer",
        "bigint", "long",    "int64",     "string",   "text", "varchar",
        "bool",   "boolean", "timestamp", "datetime", "date"};
    if (Now().form != Token::Form::kWord || !types.contains(Now().lower)) {
      return Expected("a type (double, int64, string, bool, timestamp or date)");
    }
    const std::string type = Take().lower;
    ARROW_RETURN_NOT_OK(ExpectSign(")"));
    return Call(type, position, {operand});
  }

  /// As the call "case" (condition, value, …, else) or "case of" (operand, match, value, …, else).
  Result<int32_t> ParseCase(uint32_t position) {
    std::vector<int32_t> arguments;
    const bool of = !IsWord("when");
    if (of) {
      ARROW_ASSIGN_OR_RAISE(int32_t operand, Parse(kAny));
      arguments.push_back(operand);
    }
    if (!IsWord("when")) return Expected("'when'");
    while (TakeWord("when")) {
      ARROW_ASSIGN_OR_RAISE(int32_t when, Parse(kAny));
      ARROW_RETURN_NOT_OK(ExpectWord("then"));
      ARROW_ASSIGN_OR_RAISE(int32_t then, Parse(kAny));
      arguments.push_back(when);
      arguments.push_back(then);
    }
    if (TakeWord("else")) {
      ARROW_ASSIGN_OR_RAISE(int32_t otherwise, Parse(kAny));
      arguments.push_back(otherwise);
    } else {
      arguments.push_back(Constant({}, position));
    }
    if (!TakeWord("end")) return Expected("'when', 'else' or 'end'");
    return Call(of ? "case of" : "case", position, std::move(arguments));
  }

  std::shared_ptr<Tree> tree_;
  std::unordered_set<std::string> seen_;
  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Tree>> ParseTree(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Status::Invalid("an expression of ", text.size(), " bytes is too long; at most ",
                           kMaxBytes, " are allowed");
  }
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(text)) return Status::Invalid("an expression is not UTF-8");
  ARROW_ASSIGN_OR_RAISE(std::vector<Token> tokens, Tokenize(text));
  return Parser(text, std::move(tokens)).Run();
}

}  // namespace tercet::expr
