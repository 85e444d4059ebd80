#include "catalog/search_query.h"

#include <algorithm>
#include <cctype>

#include "base/name.h"
#include "catalog/noun.h"

namespace tercet {
namespace {

constexpr size_t kMaxBytes = 1000;
constexpr size_t kMaxTerms = 32;

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

/// Whether there is anything to look for: a letter, a digit, or a letter beyond ASCII.
bool HasWord(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0;
  });
}

/// A string of FTS5's language: no letter in it means anything else.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    // A zero byte would end the text for SQLite.
    quoted += c == '\0' ? ' ' : c;
  }
  return quoted + "\"";
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SearchQuery> Parse() {
    if (text_.size() > kMaxBytes) {
      return Status::CapacityError("a search of ", text_.size(), " bytes is longer than ",
                                   kMaxBytes);
    }
    for (SkipSpaces(); at_ < text_.size(); SkipSpaces()) {
      if (++terms_ > kMaxTerms) {
        return Status::CapacityError("a search has at most ", kMaxTerms, " words");
      }
      ARROW_RETURN_NOT_OK(ReadTerm());
    }
    if (wanted_.empty() && !unwanted_.empty()) {
      return Status::Invalid("the search says only what not to find; add a word to look for");
    }
    if (wanted_.empty() && !query_.kind && !query_.owner && query_.tags.empty()) {
      return Status::Invalid("the search is empty; say a word, or a filter such as "
                             "'kind:feature_view'");
    }
    query_.match = wanted_;
    if (!unwanted_.empty()) query_.match = "(" + wanted_ + ") NOT (" + unwanted_ + ")";
    return std::move(query_);
  }

 private:
  void SkipSpaces() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }

  Status Error(size_t at, const std::string& what) const {
    return Status::Invalid("cannot read the search at '", text_.substr(at, 40), "': ", what);
  }

  /// What stands in quotes, or up to the next space.
  Result<std::string> ReadValue() {
    const size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      const size_t end = text_.find('"', at_ + 1);
      if (end == std::string_view::npos) return Error(start, "the quote is not closed");
      at_ = end + 1;
      return std::string(text_.substr(start + 1, end - start - 1));
    }
    while (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != '"') ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  Status ReadTerm() {
    const size_t start = at_;
    const bool unwanted = text_[at_] == '-' && at_ + 1 < text_.size() && !IsSpace(text_[at_ + 1]);
    if (unwanted) ++at_;
    const bool phrase = at_ < text_.size() && text_[at_] == '"';
    const size_t name = at_;
    if (!phrase) {
      while (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != '"' && text_[at_] != ':') {
        ++at_;
      }
      if (at_ < text_.size() && text_[at_] == ':') {
        if (unwanted) return Error(start, "a filter can't be turned round");
        const std::string filter(text_.substr(name, at_ - name));
        ++at_;
        return ReadFilter(start, filter);
      }
      at_ = name;
    }
    ARROW_ASSIGN_OR_RAISE(std::string word, ReadValue());
    const bool prefix = !phrase && word.ends_with('*');
    if (prefix) word.pop_back();
    if (!HasWord(word)) return Error(start, "it has no letters or digits");
    std::string term = Quoted(word);
    // The word itself counts twice, and so comes before longer ones.
    if (prefix) term += "*";
    if (!phrase && !prefix && !unwanted) term = "(" + term + " OR " + term + "*)";
    std::string& side = unwanted ? unwanted_ : wanted_;
    side += (side.empty() ? "" : unwanted ? " OR " : " AND ") + term;
    return Status::OK();
  }

  Status ReadFilter(size_t start, const std::string& filter) {
    if (filter != "kind" && filter != "tag" && filter != "owner") {
      return Error(start, "there is no filter '" + filter + "'" +
                              Suggest(filter, {"kind", "tag", "owner"}) +
                              "; put words with a colon in quotes");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string value, ReadValue());
    if (value.empty()) return Error(start, "the filter '" + filter + "' has no value");
    if (filter == "kind") {
      if (value != "feature") {
        const Status known = KindFromName(value).status();
        if (!known.ok()) return Error(start, known.message());
      }
      if (query_.kind && *query_.kind != value) return Error(start, "there are two kinds");
      query_.kind = value;
    } else if (filter == "owner") {
      if (query_.owner && *query_.owner != value) return Error(start, "there are two owners");
      query_.owner = value;
    } else {
      const size_t equals = value.find('=');
      query_.tags.emplace_back(value.substr(0, equals),
                               equals == std::string::npos
                                   ? std::nullopt
                                   : std::optional(value.substr(equals + 1)));
      if (query_.tags.back().first.empty()) return Error(start, "the tag has no name");
    }
    return Status::OK();
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t terms_ = 0;
  SearchQuery query_;
  std::string wanted_, unwanted_;
};

}  // namespace

Result<SearchQuery> SearchQuery::Parse(std::string_view text) { return Parser(text).Parse(); }

}  // namespace tercet
