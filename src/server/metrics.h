#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tercet {

/// Request counts and latencies by route, as Prometheus reads them (text format 0.0.4). Counting
/// is a few relaxed atomic additions; thread-safe.
class Metrics {
 public:
  /// `routes`: their names, as labels.
  explicit Metrics(std::vector<std::string> routes);

  void Count(size_t route, int http_status, int64_t latency_us);
  std::string ToText() const;

 private:
  static constexpr std::array<int64_t, 12> kBoundsUs = {
      50, 100, 250, 500, 1000, 2500, 5000, 10'000, 50'000, 250'000, 1'000'000, 10'000'000};
  struct Route {
    std::string name;
    std::array<std::atomic<int64_t>, 6> by_class{};  ///< index: first digit of the status
    std::array<std::atomic<int64_t>, kBoundsUs.size() + 1> buckets{};
    std::atomic<int64_t> sum_us{0};
  };
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace tercet
