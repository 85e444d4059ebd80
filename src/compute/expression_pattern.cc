#include <memory>
#include <string>

// Compiled by us under a name of our own (cmake/Re2.cmake): Arrow's libraries export another one.
#define re2 tercet_re2
#include <re2/re2.h>
#undef re2

#include "base/short_text.h"
#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// Regular expressions, by RE2: in time that is linear in the text, whatever the pattern.
namespace tercet::expr {
namespace {

using Text = std::string_view;
using tercet_re2::RE2;
using tercet_re2::StringPiece;

/// Of a compiled pattern: what RE2 may keep of it and of its automata.
constexpr int64_t kPatternBytes = 1 << 20;
constexpr int kMostGroups = 100;

/// A pattern, compiled once for all rows, and what is made of its matches.
struct Pattern {
  std::unique_ptr<const RE2> compiled;
  std::string replacement;
  bool all = false;  ///< replaces every match, not the first alone
  int group = 0;
};

StringPiece PieceOf(Text text) { return {text.data(), text.size()}; }

void Matches(const Instruction& instruction, Run& run) {
  const auto& pattern = instruction.Payload<Pattern>();
  const Text* in = In<Text>(instruction, run);
  Bool* out = Out<Bool>(instruction, run);
  AndValidity(instruction, run, 1);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = !skip && RE2::PartialMatch(PieceOf(in[i]), *pattern.compiled) ? 1 : 0;
  }
}

/// The group of the first match; empty where nothing matches or the group took no part.
Text Extracted(const Pattern& pattern, Text text) {
  StringPiece groups[kMostGroups + 1];
  const bool found = pattern.compiled->Match(PieceOf(text), 0, text.size(), RE2::UNANCHORED,
                                             groups, pattern.group + 1);
  const StringPiece& group = groups[pattern.group];
  return found && group.data() != nullptr ? Text(group.data(), group.size()) : Text();
}

Text Replaced(Arena* arena, const Pattern& pattern, Text text) {
  std::string changed(text);
  const bool any = pattern.all
                       ? RE2::GlobalReplace(&changed, *pattern.compiled, pattern.replacement) > 0
                       : RE2::Replace(&changed, *pattern.compiled, pattern.replacement);
  return any ? arena->Copy(changed) : text;
}

template <auto Change>
void MapMatches(const Instruction& instruction, Run& run) {
  const auto& pattern = instruction.Payload<Pattern>();
  const Text* in = In<Text>(instruction, run);
  auto* out = Out<Text>(instruction, run);
  AndValidity(instruction, run, 1);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = skip ? Text() : Change(run.arena, pattern, in[i]);
  }
}

constexpr auto kExtract = [](Arena*, const Pattern& pattern, Text text) {
  return Extracted(pattern, text);
};

Result<std::string> KnownText(const Binder& binder, const Node& node, const Value& value,
                              const char* what) {
  const Literal* known = binder.KnownValue(value);
  if (known == nullptr || known->kind != Kind::kString || !known->valid) {
    return binder.Error("'" + node.name + "' takes " + what + " in quotes");
  }
  return known->text;
}

Result<Pattern> Compile(const Binder& binder, const Node& node, const Value& value) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, KnownText(binder, node, value, "a pattern"));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytes);
  Pattern pattern{.compiled = std::make_unique<const RE2>(text, options)};
  if (!pattern.compiled->ok()) {
    return binder.Error("the pattern '" + ShortText(text) + "' is none: " +
                        pattern.compiled->error());
  }
  if (pattern.compiled->NumberOfCapturingGroups() > kMostGroups) {
    return binder.Error("the pattern '" + ShortText(text) + "' has more than " +
                        std::to_string(kMostGroups) + " groups");
  }
  return pattern;
}

Result<Value> AsText(Binder& binder, const Value& value) {
  return binder.AsKind(value, Kind::kString, "a string (convert with string(x))");
}

Result<Value> BindMatches(Binder& binder, const Node& node, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(Pattern pattern, Compile(binder, node, arguments[1]));
  return binder.Emit(Matches, kBoolType, {text}, 0, binder.Own(std::move(pattern)));
}

/// regexp_extract(text, pattern) or (text, pattern, group).
Result<Value> BindExtract(Binder& binder, const Node& node, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(Pattern pattern, Compile(binder, node, arguments[1]));
  if (arguments.size() == 3) {
    const int groups = pattern.compiled->NumberOfCapturingGroups();
    const Literal* group = binder.KnownValue(arguments[2]);
    if (group == nullptr || group->kind != Kind::kInt || !group->valid || group->integer < 0 ||
        group->integer > groups) {
      return binder.Error("'" + node.name + "' takes a group from 0, which is the whole match, " +
                          "to " + std::to_string(groups) + ", as many as its pattern has");
    }
    pattern.group = static_cast<int>(group->integer);
  }
  return binder.Emit(MapMatches<kExtract>, kStringType, {text}, 0,
                     binder.Own(std::move(pattern)));
}

/// regexp_replace(text, pattern, replacement) or (…, 'g').
Result<Value> BindReplace(Binder& binder, const Node& node, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value text, AsText(binder, arguments[0]));
  ARROW_ASSIGN_OR_RAISE(Pattern pattern, Compile(binder, node, arguments[1]));
  ARROW_ASSIGN_OR_RAISE(pattern.replacement,
                        KnownText(binder, node, arguments[2], "a replacement"));
  std::string why;
  if (!pattern.compiled->CheckRewriteString(pattern.replacement, &why)) {
    return binder.Error("the replacement '" + ShortText(pattern.replacement) + "': " + why);
  }
  if (arguments.size() == 4) {
    ARROW_ASSIGN_OR_RAISE(const std::string option,
                          KnownText(binder, node, arguments[3], "the option 'g'"));
    if (option != "g") {
      return binder.Error("'" + node.name + "' has no option '" + ShortText(option, 20) +
                          "'; 'g' replaces all matches, and a pattern may begin with (?i)");
    }
    pattern.all = true;
  }
  return binder.Emit(MapMatches<Replaced>, kStringType, {text}, 0,
                     binder.Own(std::move(pattern)));
}

constexpr Function kFunctions[] = {
    {"regexp_matches", 2, 2, BindMatches},
    {"regexp_extract", 2, 3, BindExtract},
    {"regexp_replace", 3, 4, BindReplace},
};

}  // namespace

std::span<const Function> PatternFunctions() { return kFunctions; }

}  // namespace tercet::expr
