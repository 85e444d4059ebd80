#include <iostream>
#include <optional>

#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

struct RebuildOptions {
  std::string group;
  std::optional<int64_t> version;
};

}  // namespace

void AddRebuildCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<RebuildOptions>();
  CLI::App* rebuild = app->add_subcommand(
      "rebuild-online", "Loads a group into the online store anew, while it is served");
  rebuild->add_option("group", options->group, "NAME or NAME@VERSION")->required();
  rebuild->add_option("--version", options->version, "As of this commit; by default the newest");
  OnRun(rebuild, session, [=](Platform* platform) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options->group));
    ARROW_ASSIGN_OR_RAISE(const int64_t version, platform->RebuildOnline(ref, options->version));
    if (session->json) {
      PrintJson(json::object{{"version", version}});
    } else {
      std::cout << "feature group '" << ref.ToText() << "' is online as of commit " << version
                << "\n";
    }
    return Status::OK();
  });
}

}  // namespace tercet
