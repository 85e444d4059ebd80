// The compiled half of `./dev bench lookup_remote`: a hundred vectors at once, of our server as
// binary tensors and of a Redis by pipelined MGETs, every value decoded and checked.
//
//     lookup_remote load PORT ENTITIES            fills a Redis with the same values
//     lookup_remote ours PORT ENTITIES COUNT SEED
//     lookup_remote redis PORT ENTITIES COUNT SEED
//
// Prints one JSON object.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include "base/json.h"
#include "keep_alive_client.h"

namespace tercet {
namespace {

constexpr int kGroups = 5;
constexpr int kFeatures = 10;  // of a group
constexpr int64_t kVectors = 100;

double Expected(int64_t entity, int feature) {
  return static_cast<double>(entity * kGroups * kFeatures + feature) + 0.5;
}

double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Status Wrong(int64_t entity, int feature) {
  return Status::UnknownError("entity ", entity, " has a wrong feature ", feature);
}

/// Asks `count` times for the vectors of some entities by `ask`, and takes the times.
template <typename Client>
Status Repeat(int64_t entities, int64_t count, uint64_t seed, Client* client,
              std::vector<double>* micros) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> asked(kVectors);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t& entity : asked) entity = static_cast<int64_t>(random() % entities);
    const auto begun = std::chrono::steady_clock::now();
    ARROW_RETURN_NOT_OK(client->Ask(asked));
    micros->push_back(std::chrono::duration<double, std::micro>(
                          std::chrono::steady_clock::now() - begun)
                          .count());
  }
  return Status::OK();
}

/// By some connections at once, each of a thread of its own, so that neither side sleeps between
/// two requests: on an idle machine, waking costs as much as answering.
template <typename Client>
Result<json::object> Measure(int port, int64_t entities, int64_t count, uint64_t seed) {
  constexpr size_t kConnections = 4;
  std::array<Client, kConnections> clients;
  std::array<std::vector<double>, kConnections> micros;
  std::array<Status, kConnections> done;
  for (Client& client : clients) ARROW_RETURN_NOT_OK(client.Open(port));
  const double cpu = CpuSeconds();
  std::vector<std::thread> threads;
  for (size_t c = 0; c < kConnections; ++c) {
    threads.emplace_back([&, c] {
      done[c] = Repeat(entities, count / static_cast<int64_t>(kConnections),
                       seed * kConnections + c, &clients[c], &micros[c]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double spent = CpuSeconds() - cpu;
  std::vector<double> all;
  for (size_t c = 0; c < kConnections; ++c) {
    ARROW_RETURN_NOT_OK(done[c]);
    all.insert(all.end(), micros[c].begin(), micros[c].end());
  }
  std::sort(all.begin(), all.end());
  return json::object{{"count", all.size()},
                      {"p50_us", all[all.size() / 2]},
                      {"p99_us", all[all.size() * 99 / 100]},
                      {"client_cpu_seconds", spent}};
}

/// Binary tensors of the Open Inference Protocol, in both directions.
class Ours {
 public:
  Status Open(int port) { return connection_.Open(port); }

  Status Ask(const std::vector<int64_t>& entities) {
    const size_t bytes = entities.size() * sizeof(int64_t);
    const std::string head = fmt::format(
        R"({{"inputs":[{{"name":"entity","datatype":"INT64","shape":[{}],)"
        R"("parameters":{{"binary_data_size":{}}}}}]}})",
        entities.size(), bytes);
    request_ = fmt::format(
        "POST /api/v1/feature-views/all/1/vectors HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {}\r\n"
        "Content-Length: {}\r\n\r\n{}",
        head.size(), head.size() + bytes, head);
    request_.append(reinterpret_cast<const char*>(entities.data()), bytes);
    ARROW_ASSIGN_OR_RAISE(std::string_view answer, connection_.Ask(request_));
    ARROW_ASSIGN_OR_RAISE(const size_t head_size,
                          connection_.HeaderNumber("inference-header-content-length:"));
    try {
      json::monotonic_resource memory(json_memory_, sizeof(json_memory_));
      const json::value said = json::parse(answer.substr(0, head_size), &memory);
      const json::array& tensors = said.at("outputs").as_array();
      if (tensors.size() != kGroups * kFeatures) return Status::UnknownError("another shape");
      answer.remove_prefix(head_size);
      for (int f = 0; f < kGroups * kFeatures; ++f) {
        const json::value& tensor = tensors[static_cast<size_t>(f)];
        ARROW_RETURN_NOT_OK(Check(tensor, f, entities, &answer));
      }
    } catch (const std::exception& error) {
      return Status::IOError("the answer's JSON: ", error.what());
    }
    return Status::OK();
  }

 private:
  /// Takes a tensor's values from the answer.
  static Status Check(const json::value& tensor, int feature,
                      const std::vector<int64_t>& entities, std::string_view* rest) {
    const auto size = tensor.at("parameters").at("binary_data_size").to_number<size_t>();
    if (tensor.at("datatype").as_string() != "FP64" || rest->size() < size ||
        size != entities.size() * sizeof(double)) {
      return Status::UnknownError("tensor ", feature, " has another shape");
    }
    for (size_t i = 0; i < entities.size(); ++i) {
      double value = 0;
      std::memcpy(&value, rest->data() + i * sizeof(value), sizeof(value));
      if (value != Expected(entities[i], feature)) return Wrong(entities[i], feature);
    }
    rest->remove_prefix(size);
    return Status::OK();
  }

  unsigned char json_memory_[64 << 10];
  KeepAliveClient connection_;
  std::string request_;
};

/// One connection, with a key "g<group>:<entity>" of ten doubles each.
class Redis {
 public:
  Status Open(int port) {
    context_.reset(redisConnect("127.0.0.1", port));
    return context_ == nullptr || context_->err != 0 ? Status::IOError("no Redis there")
                                                     : Status::OK();
  }

  Status Load(int64_t entities) {
    constexpr int64_t kAtOnce = 1000;
    for (int64_t begin = 0; begin < entities; begin += kAtOnce) {
      const int64_t end = std::min(entities, begin + kAtOnce);
      for (int64_t entity = begin; entity < end; ++entity) {
        for (int g = 0; g < kGroups; ++g) {
          double values[kFeatures];
          for (int f = 0; f < kFeatures; ++f) values[f] = Expected(entity, g * kFeatures + f);
          const std::string key = Key(g, entity);
          redisAppendCommand(context_.get(), "SET %b %b", key.data(), key.size(), values,
                             sizeof(values));
        }
      }
      for (int64_t i = begin * kGroups; i < end * kGroups; ++i) {
        ARROW_RETURN_NOT_OK(Receive().status());
      }
    }
    return Status::OK();
  }

  Status Ask(const std::vector<int64_t>& entities) {
    for (int g = 0; g < kGroups; ++g) {
      keys_ = {"MGET"};
      for (const int64_t entity : entities) keys_.push_back(Key(g, entity));
      parts_.clear();
      sizes_.clear();
      for (const std::string& key : keys_) {
        parts_.push_back(key.data());
        sizes_.push_back(key.size());
      }
      redisAppendCommandArgv(context_.get(), static_cast<int>(parts_.size()), parts_.data(),
                             sizes_.data());
    }
    for (int g = 0; g < kGroups; ++g) {
      ARROW_ASSIGN_OR_RAISE(const Reply reply, Receive());
      if (reply->elements != entities.size()) return Status::UnknownError("values are missing");
      for (size_t i = 0; i < entities.size(); ++i) {
        const redisReply& value = *reply->element[i];
        double values[kFeatures];
        if (value.len != sizeof(values)) return Wrong(entities[i], g * kFeatures);
        std::memcpy(values, value.str, sizeof(values));
        for (int f = 0; f < kFeatures; ++f) {
          if (values[f] != Expected(entities[i], g * kFeatures + f)) {
            return Wrong(entities[i], g * kFeatures + f);
          }
        }
      }
    }
    return Status::OK();
  }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  static std::string Key(int group, int64_t entity) {
    return fmt::format("g{}:{}", group, entity);
  }
  Result<Reply> Receive() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) {
      return Status::IOError("Redis: ", context_->errstr);
    }
    return Reply(static_cast<redisReply*>(reply));
  }

  std::unique_ptr<redisContext, Free> context_;
  std::vector<std::string> keys_;
  std::vector<const char*> parts_;
  std::vector<size_t> sizes_;
};

Result<json::object> Run(const std::vector<std::string>& words) {
  const int port = std::stoi(words[1]);
  const int64_t entities = std::stoll(words[2]);
  if (words[0] == "load") {
    Redis redis;
    ARROW_RETURN_NOT_OK(redis.Open(port));
    ARROW_RETURN_NOT_OK(redis.Load(entities));
    return json::object{{"loaded", entities}};
  }
  const int64_t count = std::stoll(words[3]);
  const uint64_t seed = std::stoull(words[4]);
  return words[0] == "ours" ? Measure<Ours>(port, entities, count, seed)
                            : Measure<Redis>(port, entities, count, seed);
}

}  // namespace
}  // namespace tercet

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool load = words.size() == 3 && words[0] == "load";
  const bool ask = words.size() == 5 && (words[0] == "ours" || words[0] == "redis");
  arrow::Result<tercet::json::object> summary =
      load || ask ? tercet::Run(words) : arrow::Status::Invalid("see the top of lookup_remote.cc");
  if (!summary.ok()) {
    std::cerr << "lookup_remote: " << summary.status().ToString() << "\n";
    return 1;
  }
  std::cout << tercet::ToText(*summary) << "\n";
  return 0;
}
