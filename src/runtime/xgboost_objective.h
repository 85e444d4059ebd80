#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// How an XGBoost objective turns its margins into predictions, and its base score into a base
/// margin: in float, with XGBoost's own formulas (src/objective/, src/common/math.h).
class XgboostObjective {
 public:
  /// NotImplemented for an objective whose predictions are unknown here.
  static Result<XgboostObjective> FromName(std::string_view name);

  /// ProbToMargin.
  float BaseMargin(float base_score) const;
  /// Numbers predicted a row for so many margins.
  int64_t OutputCount(int64_t group_count) const {
    return link_ == Link::kSoftmaxClass ? 1 : group_count;
  }
  /// PredTransform of one row's margins; they may be overwritten.
  void Predict(float* margins, int64_t group_count, double* predictions) const;
  bool has_probabilities() const {
    return link_ == Link::kLogistic || link_ == Link::kSoftmax;
  }

 private:
  enum class Link { kIdentity, kLogistic, kExponential, kHinge, kSoftmax, kSoftmaxClass };
  explicit XgboostObjective(Link link) : link_(link) {}
  Link link_;
};

}  // namespace tercet
