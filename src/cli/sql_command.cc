#include "base/file_system.h"
#include "base/time_text.h"
#include "cli/frame_file.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/sql_step.h"

namespace tercet {
namespace {

struct SqlOptions {
  std::vector<std::string> words;
  std::string as_of, output, time_limit;
  std::vector<std::string> files;
  int64_t limit = 100;
};

Status Query(const Session& session, Platform* platform, const SqlOptions& options) {
  SqlRequest request;
  request.query = options.words.back();
  request.files = options.files;
  ARROW_ASSIGN_OR_RAISE(request.as_of_us, TimeOption(options.as_of));
  if (!options.time_limit.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.time_limit_us, ParseDuration(options.time_limit));
  }
  ARROW_ASSIGN_OR_RAISE(const SqlData data, platform->Sql(request));
  return PrintOrWrite(data.rows.get(), session.json, options.limit, options.output);
}

std::string Described(const SqlStepData& step) {
  std::string text = step.rows == 0 ? "nothing new for " : std::to_string(step.rows) + " rows in ";
  text += "feature group '" + step.commit.feature_group.ToText() + "', commit " +
          std::to_string(step.commit.version);
  if (step.watermark_us) text += ", watermark " + FormatTime(*step.watermark_us);
  return text + "\n";
}

}  // namespace

Status RunSqlStepFile(Platform* platform, const std::string& path, Run* end) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, LocalFileSystem()->ReadFile(path));
  const Result<SqlStepData> step = platform->RunSqlStep(text);
  if (!step.ok()) return Explain(step.status(), path);
  for (const auto& [group, version] : step->pins) {
    end->inputs.push_back("feature_group " + group + " commit " + std::to_string(version));
  }
  if (step->rows > 0) {
    end->outputs.push_back("feature_group " + step->commit.feature_group.ToText() + " commit " +
                           std::to_string(step->commit.version));
  }
  end->metrics["rows"] = step->rows;
  end->log = Described(*step);
  std::cout << end->log;
  return Status::OK();
}

void AddSqlCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<SqlOptions>();
  CLI::App* sql = app->add_subcommand("sql", "Asks feature groups in SQL");
  sql->add_option("query", options->words,
                  "[PROJECT] and one SELECT: weather is a group's newest version, weather_1 or "
                  "\"weather@1\" a version")
      ->required()
      ->expected(1, 2);
  sql->add_option("--as-of", options->as_of, "Read all groups as of this commit time");
  sql->add_option("--files", options->files,
                  "Files, and folders ending in '/', that the query may read");
  sql->add_option("--time-limit", options->time_limit, "End the query after this, as 30s");
  sql->add_option("--limit", options->limit, "Rows to print")->capture_default_str();
  sql->add_option("-o,--output", options->output, "Write a .parquet, .csv or .arrow file")
      ->check(FrameFileSlip);
  sql->callback([=] {
    if (options->words.size() == 2) session->project = options->words[0];
    const Result<std::shared_ptr<Platform>> platform = session->Open();
    session->status =
        platform.ok() ? Query(*session, platform->get(), *options) : platform.status();
  });
}

}  // namespace tercet
