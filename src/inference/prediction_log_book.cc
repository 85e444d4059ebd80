#include "inference/prediction_log_book.h"

#include <cmath>

namespace tercet {

bool PredictionLogBook::Take(double percent) {
  if (percent <= 0) return false;
  return put_off_.exchange(false, std::memory_order_relaxed) || IsTurn(percent);
}

bool PredictionLogBook::PutOff(double percent) {
  if (percent <= 0) return false;
  // One that is put off already is kept instead of this one, or with it.
  if (put_off_.load(std::memory_order_relaxed)) return true;
  if (!IsTurn(percent)) return false;
  put_off_.store(true, std::memory_order_relaxed);
  return true;
}

bool PredictionLogBook::IsTurn(double percent) {
  if (percent >= 100) return true;
  // Multiples of the root of two modulo one (Weyl), which with those of the golden ratio
  // (DeploymentBook::NextTurn) cover the square evenly: the choices are independent.
  constexpr double kRootOfTwo = 1.4142135623730951;
  const uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed) & ((1 << 20) - 1);
  const double spread = static_cast<double>(turn) * kRootOfTwo;
  return (spread - std::floor(spread)) * 100 < percent;
}

void PredictionLogBook::Written(int64_t rows) {
  written_.fetch_add(rows, std::memory_order_relaxed);
  waiting_.fetch_sub(rows, std::memory_order_relaxed);
}

void PredictionLogBook::Failed(int64_t rows, const std::string& why) {
  failed_.fetch_add(rows, std::memory_order_relaxed);
  waiting_.fetch_sub(rows, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  last_error_ = why;
}

PredictionLogStatistics PredictionLogBook::Read() const {
  PredictionLogStatistics log{.waiting = waiting_.load(),
                              .written = written_.load(),
                              .dropped = dropped_.load(),
                              .failed = failed_.load()};
  const std::lock_guard lock(mutex_);
  log.last_error = last_error_;
  return log;
}

}  // namespace tercet
