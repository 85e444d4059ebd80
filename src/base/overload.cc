#include "base/overload.h"

#include <memory>

namespace tercet {
namespace {

constexpr char kOverloadedType[] = "tercet::Overloaded";
constexpr char kTooLateType[] = "tercet::TooLate";

class OverloadedDetail : public arrow::StatusDetail {
 public:
  explicit OverloadedDetail(int64_t seconds) : seconds_(seconds) {}
  const char* type_id() const override { return kOverloadedType; }
  std::string ToString() const override { return "retry after " + std::to_string(seconds_) + " s"; }
  int64_t seconds() const { return seconds_; }

 private:
  const int64_t seconds_;
};

class TooLateDetail : public arrow::StatusDetail {
 public:
  const char* type_id() const override { return kTooLateType; }
  std::string ToString() const override { return "deadline exceeded"; }
};

bool HasDetail(const Status& status, std::string_view type) {
  return status.detail() != nullptr && status.detail()->type_id() == type;
}

}  // namespace

Status Overloaded(int64_t retry_after_seconds, std::string message) {
  return Status(arrow::StatusCode::CapacityError, std::move(message),
                std::make_shared<OverloadedDetail>(retry_after_seconds));
}

std::optional<int64_t> RetryAfterSeconds(const Status& status) {
  if (!HasDetail(status, kOverloadedType)) return std::nullopt;
  return static_cast<const OverloadedDetail&>(*status.detail()).seconds();
}

Status TooLate(std::string message) {
  return Status(arrow::StatusCode::Cancelled, std::move(message),
                std::make_shared<TooLateDetail>());
}

bool IsTooLate(const Status& status) { return HasDetail(status, kTooLateType); }

}  // namespace tercet
