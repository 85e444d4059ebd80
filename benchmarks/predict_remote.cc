// The compiled half of `./dev bench predict_remote` and `./dev bench switch`: asks a server over
// keep-alive connections and checks every answer.
//
//     predict_remote latency PORT PATH REQUESTS COUNT SEED
//         REQUESTS: a file of lines "NUMBER<tab>BODY"; the answer of BODY must hold NUMBER within
//         1e-4; "-" asks with GET and checks nothing
//     predict_remote saturate PORT PATH REQUESTS COUNT SEED
//         the same over eight connections that each have a request under way
//     predict_remote load PORT PATH REQUESTS CONNECTIONS OUTPUT
//         REQUESTS: one line "NUMBER,NUMBER…<tab>BODY", the answer of each release from 1. Asks
//         until standard input ends, then writes a line "NANOSECONDS MICROSECONDS RELEASE" (when
//         it was answered, how long it took) of each request to OUTPUT
//
// Prints one JSON object.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>
#include <vector>

#include "base/json.h"
#include "keep_alive_client.h"

namespace tercet {
namespace {

using Clock = std::chrono::steady_clock;

/// How long the only connection waits awake for an answer; most of them come sooner.
constexpr std::chrono::microseconds kAwake{300};

struct Question {
  std::string request;
  std::vector<double> answers;  ///< of each release; one where there is no release
};

Result<std::vector<Question>> ReadQuestions(const std::string& path, const std::string& file) {
  if (file == "-") return std::vector<Question>{{KeepAliveClient::RequestOf(path, ""), {}}};
  std::ifstream lines(file);
  std::vector<Question> questions;
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) return Status::Invalid("a line without a tab: ", line);
    Question question{.request = KeepAliveClient::RequestOf(path, line.substr(tab + 1))};
    const char* at = line.c_str();
    char* end = nullptr;
    while (true) {
      question.answers.push_back(std::strtod(at, &end));
      if (*end != ',') break;
      at = end + 1;
    }
    questions.push_back(std::move(question));
  }
  if (questions.empty()) return Status::Invalid("no requests in ", file);
  return questions;
}

/// The number behind the last `name` in an answer.
Result<double> NumberAfter(std::string_view answer, std::string_view name) {
  const size_t at = answer.rfind(name);
  if (at == std::string_view::npos) return Status::IOError("no ", name, " in ", answer);
  return std::strtod(answer.data() + at + name.size(), nullptr);
}

/// "…prediction":0.5…" of ours, "[0.5]" of others, ""data":[0.5]" of a tensor: the first number
/// after the first colon or bracket that a digit or sign follows.
Result<double> PredictionOf(std::string_view answer) {
  const size_t tensor = answer.find("\"data\":");
  if (tensor != std::string_view::npos) answer.remove_prefix(tensor);
  for (size_t i = 0; i + 1 < answer.size(); ++i) {
    const char next = answer[i + 1];
    if ((answer[i] == ':' || answer[i] == '[') && (next == '-' || (next >= '0' && next <= '9'))) {
      return std::strtod(answer.data() + i + 1, nullptr);
    }
  }
  return Status::IOError("no prediction in ", answer);
}

double MicrosSince(Clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

Status Check(const Question& question, std::string_view answer) {
  if (question.answers.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const double prediction, PredictionOf(answer));
  if (std::fabs(prediction - question.answers[0]) <= 1e-4) return Status::OK();
  return Status::UnknownError("expected ", question.answers[0], ", got ", answer);
}

Result<json::object> Latency(int port, const std::string& path, const std::string& file,
                             int64_t count, uint64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const auto questions, ReadQuestions(path, file));
  KeepAliveClient client;
  client.stay_awake(kAwake);
  ARROW_RETURN_NOT_OK(client.Open(port));
  std::mt19937_64 random(seed);
  std::vector<double> micros;
  for (int64_t i = 0; i < count; ++i) {
    const Question& question = questions[random() % questions.size()];
    const auto begun = Clock::now();
    ARROW_ASSIGN_OR_RAISE(const std::string_view answer, client.Ask(question.request));
    micros.push_back(MicrosSince(begun));
    ARROW_RETURN_NOT_OK(Check(question, answer));
  }
  std::sort(micros.begin(), micros.end());
  return json::object{{"count", count},
                      {"p50_us", micros[micros.size() / 2]},
                      {"p99_us", micros[micros.size() * 99 / 100]}};
}

/// A request under way on each of some connections, so that the server always has one to answer.
Result<json::object> Saturate(int port, const std::string& path, const std::string& file,
                              int64_t count, uint64_t seed) {
  constexpr size_t kConnections = 8;
  ARROW_ASSIGN_OR_RAISE(const auto questions, ReadQuestions(path, file));
  std::vector<KeepAliveClient> clients(kConnections);
  std::vector<const Question*> asked(kConnections, nullptr);
  std::mt19937_64 random(seed);
  for (KeepAliveClient& client : clients) {
    client.stay_awake(kAwake);
    ARROW_RETURN_NOT_OK(client.Open(port));
  }
  for (int64_t i = 0; i < count + static_cast<int64_t>(kConnections); ++i) {
    const size_t c = static_cast<size_t>(i) % kConnections;
    if (asked[c] != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const std::string_view answer, clients[c].Take());
      ARROW_RETURN_NOT_OK(Check(*asked[c], answer));
    }
    asked[c] = i < count ? &questions[random() % questions.size()] : nullptr;
    if (asked[c] != nullptr) ARROW_RETURN_NOT_OK(clients[c].Send(asked[c]->request));
  }
  return json::object{{"count", count}};
}

struct Answered {
  int64_t at_ns;
  double micros;
  int release;
};

/// One connection's requests until `stop`.
void AskUntil(int port, const Question& question, const std::atomic<bool>& stop,
              std::atomic<int64_t>* failed, std::atomic<int64_t>* mixed,
              std::vector<Answered>* answered) {
  KeepAliveClient client;
  bool open = client.Open(port).ok();
  while (!stop) {
    if (!open) {
      ++*failed;
      return;
    }
    const auto begun = Clock::now();
    const auto answer = client.Ask(question.request);
    if (!answer.ok()) {
      std::cerr << answer.status().ToString() << "\n";
      ++*failed;
      return;
    }
    const auto now = Clock::now();
    const auto release = NumberAfter(*answer, "\"release_number\":");
    const auto prediction = PredictionOf(*answer);
    const int number = release.ok() ? static_cast<int>(*release) : 0;
    if (number < 1 || number > static_cast<int>(question.answers.size()) || !prediction.ok() ||
        *prediction != question.answers[static_cast<size_t>(number) - 1]) {
      ++*mixed;
    }
    answered->push_back(
        {std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count(),
         std::chrono::duration<double, std::micro>(now - begun).count(), number});
  }
}

Result<json::object> Load(int port, const std::string& path, const std::string& file,
                          int connections, const std::string& output) {
  ARROW_ASSIGN_OR_RAISE(const auto questions, ReadQuestions(path, file));
  std::atomic<bool> stop = false;
  std::atomic<int64_t> failed = 0, mixed = 0;
  std::vector<std::vector<Answered>> answered(static_cast<size_t>(connections));
  std::vector<std::thread> threads;
  for (auto& own : answered) {
    threads.emplace_back([&, list = &own] {
      AskUntil(port, questions[0], stop, &failed, &mixed, list);
    });
  }
  while (std::cin.get() != EOF) {
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::ofstream lines(output);
  int64_t count = 0;
  for (const auto& own : answered) {
    for (const Answered& one : own) {
      lines << one.at_ns << ' ' << one.micros << ' ' << one.release << '\n';
      ++count;
    }
  }
  return json::object{
      {"answered", count}, {"failed", failed.load()}, {"mixed", mixed.load()}};
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  arrow::Result<tercet::json::object> summary =
      arrow::Status::Invalid("see the top of predict_remote.cc");
  if (words.size() == 6 && words[0] == "latency") {
    summary = tercet::Latency(std::stoi(words[1]), words[2], words[3], std::stoll(words[4]),
                              std::stoull(words[5]));
  } else if (words.size() == 6 && words[0] == "saturate") {
    summary = tercet::Saturate(std::stoi(words[1]), words[2], words[3], std::stoll(words[4]),
                               std::stoull(words[5]));
  } else if (words.size() == 6 && words[0] == "load") {
    summary = tercet::Load(std::stoi(words[1]), words[2], words[3], std::stoi(words[4]), words[5]);
  }
  if (!summary.ok()) {
    std::cerr << "predict_remote: " << summary.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*summary) << "\n";
  return 0;
}
