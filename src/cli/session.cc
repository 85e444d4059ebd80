#include "cli/session.h"

#include "base/file_system.h"
#include "base/time_text.h"
#include "client/client.h"

namespace tercet {

Result<std::shared_ptr<Platform>> Session::Open() const {
  if (project.empty()) {
    return Status::Invalid(
        "which project? Give --project DIRECTORY (or s3://BUCKET/PREFIX, or tercet://HOST:PORT), "
        "or set TERCET_PROJECT");
  }
  PlatformOptions options;
  options.state = state;
  if (!token_file.empty()) {
    ARROW_ASSIGN_OR_RAISE(options.token, LocalFileSystem()->ReadFile(token_file));
    while (!options.token.empty() && options.token.back() <= ' ') options.token.pop_back();
  }
  return OpenProject(project, options);
}

void OnRun(CLI::App* command, Session* session, std::function<Status(Platform*)> work) {
  command->callback([session, work = std::move(work)] {
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
