#include "compute/expression_token.h"

#include <array>

#include "compute/expression_tree.h"

namespace tercet::expr {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c); }

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    while (true) {
      while (at_ < text_.size() && (Peek() == ' ' || (Peek() >= '\t' && Peek() <= '\r'))) ++at_;
      Token token;
      token.position = static_cast<uint32_t>(at_);
      ARROW_RETURN_NOT_OK(Read(&token));
      tokens.push_back(std::move(token));
      if (tokens.back().form == Token::Form::kEnd) return tokens;
    }
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Status Error(size_t position, std::string_view message) const {
    return Status::Invalid(Located(text_, static_cast<uint32_t>(position), message));
  }

  Status Read(Token* token) {
    if (at_ >= text_.size()) return Status::OK();
    const char c = Peek();
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return ReadNumber(token);
    if (c == '\'') {
      token->form = Token::Form::kText;
      return ReadQuoted('\'', "text", &token->text);
    }
    if (IsWordStart(c) || c == '"' || c == '`') return ReadName(token);
    return ReadSign(token);
  }

  Status ReadNumber(Token* token) {
    const size_t begin = at_;
    token->form = Token::Form::kInteger;
    while (IsDigit(Peek())) ++at_;
    if (Peek() == '.') {
      token->form = Token::Form::kNumber;
      ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (!IsDigit(Peek(1 + sign))) return Error(at_, "expected the digits of an exponent");
      token->form = Token::Form::kNumber;
      at_ += 1 + sign;
      while (IsDigit(Peek())) ++at_;
    }
    if (IsWordPart(Peek())) return Error(at_, "expected an operator after a number");
    token->text = text_.substr(begin, at_ - begin);
    return Status::OK();
  }

  /// A doubled quote inside stands for one.
  Status ReadQuoted(char quote, std::string_view what, std::string* out) {
    const size_t begin = at_++;
    while (true) {
      if (at_ >= text_.size()) {
        return Error(
            begin, std::string("expected the closing ") + quote + " of this " + std::string(what));
      }
      const char c = text_[at_++];
      if (c == quote) {
        if (Peek() != quote || at_ >= text_.size()) return Status::OK();
        ++at_;
      }
      out->push_back(c);
    }
  }

  Status ReadName(Token* token) {
    token->form = Token::Form::kWord;
    while (true) {
      if (Peek() == '"' || Peek() == '`') {
        token->form = Token::Form::kQuoted;
        ARROW_RETURN_NOT_OK(ReadQuoted(Peek(), "name", &token->text));
      } else {
        while (at_ < text_.size() && IsWordPart(Peek())) token->text.push_back(text_[at_++]);
      }
      if (Peek() != '.' || !(IsWordStart(Peek(1)) || Peek(1) == '"' || Peek(1) == '`')) break;
      token->text.push_back('.');
      ++at_;
    }
    if (token->text.empty()) return Error(token->position, "expected a name between the quotes");
    if (token->form == Token::Form::kWord) {
      for (char c : token->text) {
        token->lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
      }
    }
    return Status::OK();
  }

  Status ReadSign(Token* token) {
    static constexpr std::array<std::string_view, 23> kSigns = {
        "**", "//", "||", "<=", ">=", "<>", "!=", "==", "+", "-", "*", "/",
        "%",  "<",  ">",  "=",  "(",  ")",  ",",  "[",  "]", "^", "."};
    for (std::string_view sign : kSigns) {
      if (text_.substr(at_).starts_with(sign)) {
        token->form = Token::Form::kSign;
        token->text = sign;
        at_ += sign.size();
        return Status::OK();
      }
    }
    std::string message = "'";
    message.push_back(Peek());
    return Error(at_, message.append("' has no meaning here"));
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view text) { return Tokenizer(text).Run(); }

}  // namespace tercet::expr
