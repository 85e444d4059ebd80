#include "server/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace tercet {

Metrics::Metrics(std::vector<std::string> routes) {
  for (std::string& name : routes) {
    routes_.push_back(std::make_unique<Route>());
    routes_.back()->name = std::move(name);
  }
}

void Metrics::Count(size_t route, int http_status, int64_t latency_us) {
  Route& counted = *routes_[route];
  const size_t status_class = static_cast<size_t>(std::clamp(http_status / 100, 0, 5));
  const size_t bucket =
      std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), latency_us) - kBoundsUs.begin();
  counted.by_class[status_class].fetch_add(1, std::memory_order_relaxed);
  counted.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  counted.sum_us.fetch_add(latency_us, std::memory_order_relaxed);
}

std::string Metrics::ToText() const {
  std::string text =
      "# HELP tercet_http_requests_total Requests answered, by route and class of status.\n"
      "# TYPE tercet_http_requests_total counter\n";
  const auto out = std::back_inserter(text);
  for (const auto& route : routes_) {
    for (size_t i = 1; i < route->by_class.size(); ++i) {
      const int64_t count = route->by_class[i].load(std::memory_order_relaxed);
      if (count == 0) continue;
      fmt::format_to(out, "tercet_http_requests_total{{route=\"{}\",status=\"{}xx\"}} {}\n",
                     route->name, i, count);
    }
  }
  text +=
      "# HELP tercet_http_request_duration_seconds Time from a whole request to its answer.\n"
      "# TYPE tercet_http_request_duration_seconds histogram\n";
  for (const auto& route : routes_) {
    int64_t count = 0;
    std::string lines;
    for (size_t i = 0; i <= kBoundsUs.size(); ++i) {
      count += route->buckets[i].load(std::memory_order_relaxed);
      fmt::format_to(std::back_inserter(lines),
                     "tercet_http_request_duration_seconds_bucket{{route=\"{}\",le=\"{}\"}} {}\n",
                     route->name,
                     i < kBoundsUs.size() ? fmt::format("{}", kBoundsUs[i] / 1e6) : "+Inf", count);
    }
    if (count == 0) continue;
    text += lines;
    fmt::format_to(out, "tercet_http_request_duration_seconds_sum{{route=\"{}\"}} {}\n",
                   route->name, route->sum_us.load(std::memory_order_relaxed) * 1e-6);
    fmt::format_to(out, "tercet_http_request_duration_seconds_count{{route=\"{}\"}} {}\n",
                   route->name, count);
  }
  return text;
}

}  // namespace tercet
