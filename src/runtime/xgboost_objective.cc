#include "runtime/xgboost_objective.h"

#include <algorithm>
#include <cmath>

#include "base/short_text.h"

namespace tercet {
namespace {

float Sigmoid(float margin) {
  constexpr float kEpsilon = 1e-16f;  // never divides by zero
  const float exponent = std::min(-margin, 88.7f);  // never overflows
  return 1.0f / (std::exp(exponent) + 1.0f + kEpsilon);
}

}  // namespace

Result<XgboostObjective> XgboostObjective::FromName(std::string_view name) {
  struct Known {
    std::string_view name;
    Link link;
  };
  static constexpr Known kKnown[] = {
      {"reg:squarederror", Link::kIdentity},    {"reg:linear", Link::kIdentity},
      {"reg:squaredlogerror", Link::kIdentity}, {"reg:absoluteerror", Link::kIdentity},
      {"reg:pseudohubererror", Link::kIdentity}, {"reg:quantileerror", Link::kIdentity},
      {"rank:pairwise", Link::kIdentity},       {"rank:ndcg", Link::kIdentity},
      {"rank:map", Link::kIdentity},            {"binary:logistic", Link::kLogistic},
      {"reg:logistic", Link::kLogistic},        {"binary:logitraw", Link::kIdentity},
      {"binary:hinge", Link::kHinge},           {"count:poisson", Link::kExponential},
      {"reg:gamma", Link::kExponential},        {"reg:tweedie", Link::kExponential},
      {"survival:cox", Link::kExponential},     {"survival:aft", Link::kExponential},
      {"multi:softprob", Link::kSoftmax},       {"multi:softmax", Link::kSoftmaxClass},
  };
  for (const Known& known : kKnown) {
    if (known.name == name) return XgboostObjective(known.link);
  }
  return Status::NotImplemented("XGBoost objective '", ShortText(name), "' is not evaluated");
}

float XgboostObjective::BaseMargin(float base_score) const {
  switch (link_) {
    case Link::kLogistic: return -std::log(1.0f / base_score - 1.0f);
    case Link::kExponential: return std::log(base_score);
    default: return base_score;
  }
}

void XgboostObjective::Predict(float* margins, int64_t group_count, double* predictions) const {
  switch (link_) {
    case Link::kSoftmax: {
      float largest = margins[0];
      for (int64_t k = 1; k < group_count; ++k) largest = std::fmax(largest, margins[k]);
      double sum = 0;
      for (int64_t k = 0; k < group_count; ++k) {
        margins[k] = std::exp(margins[k] - largest);
        sum += margins[k];
      }
      for (int64_t k = 0; k < group_count; ++k) {
        margins[k] /= static_cast<float>(sum);
        predictions[k] = margins[k];
      }
      return;
    }
    case Link::kSoftmaxClass:
      predictions[0] = static_cast<double>(
          std::max_element(margins, margins + group_count) - margins);
      return;
    default: break;
  }
  for (int64_t k = 0; k < group_count; ++k) {
    const float margin = margins[k];
    switch (link_) {
      case Link::kLogistic: predictions[k] = Sigmoid(margin); break;
      case Link::kExponential: predictions[k] = std::exp(margin); break;
      case Link::kHinge: predictions[k] = margin > 0.0f ? 1.0 : 0.0; break;
      default: predictions[k] = margin; break;
    }
  }
}

}  // namespace tercet
