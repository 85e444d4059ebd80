#include "cli/session.h"

#include <filesystem>

#include "base/time_text.h"
#include "client/client.h"
#include "client/token_file.h"

namespace tercet {

namespace {

/// Whether a command may be the first of a project. With any other a place without one is a slip of
/// the pen, and making a project there would hide it.
bool MakesProjects(const CLI::App& command) {
  const std::string& name = command.get_name();
  return name == "create" || name == "register" || name == "run";
}

Status CheckIsProject(const std::string& location) {
  if (location.find("://") != std::string::npos) return Status::OK();
  if (std::filesystem::exists(std::filesystem::path(location) / "project.json")) {
    return Status::OK();
  }
  return Status::KeyError("there is no project in '", location,
                          "'; 'tercet groups create' and 'tercet run' make one");
}

}  // namespace

Result<std::shared_ptr<Platform>> Session::Open() const {
  if (project.empty()) {
    return Status::Invalid(
        "which project? Give --project DIRECTORY (or s3://BUCKET/PREFIX, or tercet://HOST:PORT), "
        "or set TERCET_PROJECT");
  }
  PlatformOptions options;
  options.state = state;
  if (!token_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.token, ReadTokenFile(token_file));
  }
  return OpenProject(project, options);
}

void OnRun(CLI::App* command, Session* session, std::function<Status(Platform*)> work) {
  command->callback([session, command, work = std::move(work)] {
    if (!session->project.empty() && !MakesProjects(*command)) {
      session->status = CheckIsProject(session->project);
      if (!session->status.ok()) return;
    }
    const Result<std::shared_ptr<Platform>> platform = session->Open();
    session->status = platform.ok() ? work(platform->get()) : platform.status();
  });
}

Result<std::optional<int64_t>> TimeOption(const std::string& text) {
  if (text.empty()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const int64_t time_us, ParseTime(text));
  return time_us;
}

}  // namespace tercet
