#include <iostream>
#include <string>

#include "cli/session.h"

namespace tercet {
namespace {

/// What bash runs at a tab: of the words before it those that are commands, one within the other,
/// lead to a line of `case`, whose words are offered; where none fits, files are.
constexpr char kBegin[] = R"(_tercet() {
  local at= word next
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="$at $word"
    case "$next" in
)";
constexpr char kMiddle[] = R"( at="$next" ;;
    esac
  done
  case "$at" in
)";
constexpr char kEnd[] = R"(  esac
  COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tercet tercet
)";

/// Adds the lines of a command and of those within it: its path, and the words that may follow.
void AddCommand(const CLI::App& command, const std::string& path, std::string* paths,
                std::string* words) {
  std::string follow;
  for (const CLI::App* within : command.get_subcommands({})) follow += within->get_name() + " ";
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) follow += "--" + name + " ";
  }
  *words += "    \"" + path + "\") next=\"" + follow + "\" ;;\n";
  for (const CLI::App* within : command.get_subcommands({})) {
    const std::string next = path + " " + within->get_name();
    *paths += (paths->empty() ? "      \"" : "|\"") + next + "\"";
    AddCommand(*within, next, paths, words);
  }
}

}  // namespace

void AddCompletionCommand(CLI::App* app) {
  CLI::App* completion = app->add_subcommand(
      "completion", "A script that completes commands and options at a tab");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash")->required()->check(CLI::IsMember({"bash"}));
  completion->callback([app, shell] {
    std::string paths, words;
    AddCommand(*app, "", &paths, &words);
    std::cout << kBegin << paths << ")" << kMiddle << words << kEnd;
  });
}

}  // namespace tercet
