#include <iostream>

#include "base/time_text.h"
#include "cli/output.h"
#include "cli/session.h"
#include "platform/prediction_logs.h"

namespace tercet {
namespace {

struct VerifyOptions {
  std::string deployment, start, end;
  int64_t limit = VerifyRequest().limit;
};

constexpr size_t kPrinted = 20;

void Print(const Verification& report) {
  std::cout << report.rows << " logged rows compared, " << report.differences << " differences\n";
  if (report.unavailable > 0) {
    std::cout << report.unavailable << " rows not compared: the online store had not kept what "
              << "they asked for, and said so\n";
  }
  if (report.unreadable > 0) {
    std::cout << report.unreadable << " rows could not be asked again:\n";
    for (const auto& [because, count] : report.unreadable_because) {
      std::cout << "  " << count << ": " << because << "\n";
    }
    std::vector<std::vector<std::string>> unread;
    for (const Verification::Unreadable& one : report.unreadable_rows) {
      if (unread.size() == kPrinted) break;
      unread.push_back({one.request_id, FormatTime(one.event_time_us), one.because});
    }
    PrintTable({"request", "event time", "can't be asked again"}, unread);
  }
  if (report.differences == 0) return;
  std::vector<std::vector<std::string>> rows;
  for (const Verification::Difference& one : report.listed) {
    if (rows.size() == kPrinted) break;
    rows.push_back(
        {one.request_id, FormatTime(one.event_time_us), one.feature, one.online, one.offline});
  }
  PrintTable({"request", "event time", "feature", "online", "offline"}, rows);
}

}  // namespace

void AddVerifyCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* verify = app->add_subcommand(
      "verify", "Compares logged online answers with the offline store as of then");
  verify->add_option("deployment", options->deployment, "The deployment's name")->required();
  verify->add_option("--start", options->start, "Requests with an event time from then on");
  verify->add_option("--end", options->end, "Requests with an event time before");
  verify->add_option("--limit", options->limit, "Rows, the newest ones; 0: all")
      ->capture_default_str();
  OnRun(verify, session, [=](Platform* platform) -> Status {
    VerifyRequest request{.limit = options->limit};
    ARROW_ASSIGN_OR_RAISE(request.start_us, TimeOption(options->start));
    ARROW_ASSIGN_OR_RAISE(request.end_us, TimeOption(options->end));
    ARROW_ASSIGN_OR_RAISE(const Verification report,
                          platform->prediction_logs()->Verify(options->deployment, request));
    if (session->json) {
      PrintJson(report.ToJson());
    } else {
      Print(report);
    }
    if (!report.passed()) session->exit_code = 1;
    return Status::OK();
  });
}

}  // namespace tercet
