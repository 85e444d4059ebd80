// The compiled half of `./dev bench lookup`: times embedded reads, and asks a server over one
// keep-alive connection, so that the client is not what is measured. Every answer is checked.
//
//     lookup embedded PROJECT ENTITIES COUNT
//     lookup http PORT PATH BODY ENTITIES COUNT SEED
//         BODY with '#' where the entity's number goes; "-" asks with GET and checks nothing
//
// Prints one JSON object.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/json.h"
#include "keep_alive_client.h"
#include "platform/platform.h"

namespace tercet {
namespace {

constexpr int kFeatures = 24;
using Clock = std::chrono::steady_clock;

/// What the benchmark's Python half inserted: exact in binary and in decimal.
double Expected(int64_t entity, int feature) {
  return static_cast<double>(entity * kFeatures + feature) + 0.5;
}

json::object Summary(std::vector<double> micros) {
  std::sort(micros.begin(), micros.end());
  double sum = 0;
  for (const double one : micros) sum += one;
  return {{"count", micros.size()},
          {"p50_us", micros[micros.size() / 2]},
          {"p99_us", micros[micros.size() * 99 / 100]},
          {"mean_us", sum / static_cast<double>(micros.size())}};
}

double MicrosSince(Clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

Status CheckVector(const VectorReader& reader, const VectorCells& vector, int64_t entity) {
  if (reader.features()->num_fields() != kFeatures) {
    return Status::UnknownError("expected ", kFeatures, " features");
  }
  for (int f = 0; f < kFeatures; ++f) {
    const Cell cell = vector.features[static_cast<size_t>(f)];
    if (cell.null() || cell.As<double>() != Expected(entity, f)) {
      return Status::UnknownError("entity ", entity, " has a wrong '",
                                  reader.features()->field(f)->name(), "'");
    }
  }
  return Status::OK();
}

Result<json::object> Embedded(const std::string& project, int64_t entities, int64_t count) {
  ARROW_ASSIGN_OR_RAISE(const auto platform, Platform::Open(project));
  std::mt19937_64 random(17);
  std::vector<double> micros;
  VectorCells vector;
  for (int64_t i = -count / 5; i < count; ++i) {  // A fifth more to warm up.
    const auto entity = static_cast<int64_t>(random() % entities);
    const Cell key{reinterpret_cast<const char*>(&entity), sizeof(entity)};
    const auto begun = Clock::now();
    ARROW_ASSIGN_OR_RAISE(const auto reader, platform->Reader({"all", 1}));
    if (reader == nullptr) return Status::UnknownError("the view is not plain");
    ARROW_ASSIGN_OR_RAISE(const bool read, reader->Read({&key, 1}, std::nullopt, &vector));
    const double took = MicrosSince(begun);
    if (!read) return Status::UnknownError("the store is not in this process");
    if (i >= 0) micros.push_back(took);
    ARROW_RETURN_NOT_OK(CheckVector(*reader, vector, entity));
  }
  return Summary(std::move(micros));
}

/// All values are there. (The Python half checks once which feature has which.)
Status CheckBody(std::string_view body, int64_t entity) {
  for (int f = 0; f < kFeatures; ++f) {
    const std::string value = fmt::format("{:.1f}", Expected(entity, f));
    const size_t at = body.find(value);
    if (at == std::string_view::npos || at == 0 || (body[at - 1] >= '0' && body[at - 1] <= '9')) {
      return Status::UnknownError("entity ", entity, " lacks ", value, ": ", body);
    }
  }
  return Status::OK();
}

Result<json::object> Http(int port, const std::string& path, const std::string& body,
                          int64_t entities, int64_t count, uint64_t seed) {
  KeepAliveClient connection;
  ARROW_RETURN_NOT_OK(connection.Open(port));
  std::mt19937_64 random(seed);
  std::vector<double> micros;
  const size_t hole = body.find('#');
  for (int64_t i = 0; i < count; ++i) {
    const auto entity = static_cast<int64_t>(random() % entities);
    std::string request;
    if (body == "-") {
      request = fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    } else {
      std::string filled = body;
      filled.replace(hole, 1, std::to_string(entity));
      request = fmt::format(
          "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
          "Content-Length: {}\r\n\r\n{}",
          path, filled.size(), filled);
    }
    const auto begun = Clock::now();
    ARROW_ASSIGN_OR_RAISE(const std::string_view answer, connection.Ask(request));
    micros.push_back(MicrosSince(begun));
    if (body != "-") ARROW_RETURN_NOT_OK(CheckBody(answer, entity));
  }
  return Summary(std::move(micros));
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  arrow::Result<tercet::json::object> summary = arrow::Status::Invalid("see the top of lookup.cc");
  if (words.size() == 4 && words[0] == "embedded") {
    summary = tercet::Embedded(words[1], std::stoll(words[2]), std::stoll(words[3]));
  } else if (words.size() == 7 && words[0] == "http") {
    summary = tercet::Http(std::stoi(words[1]), words[2], words[3], std::stoll(words[4]),
                           std::stoll(words[5]), std::stoull(words[6]));
  }
  if (!summary.ok()) {
    std::cerr << "lookup: " << summary.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*summary) << "\n";
  return 0;
}
