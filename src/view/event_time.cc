#include "view/event_time.h"

#include <arrow/compute/cast.h>

#include "base/parallel.h"
#include "view/view_plan.h"

namespace tercet {

std::shared_ptr<arrow::DataType> EventTimeType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

Result<std::shared_ptr<arrow::Array>> EventTimeAs(const arrow::Array& times_us,
                                                  const std::shared_ptr<arrow::DataType>& type) {
  // A cast between zones would be refused; a zone does not change the number, so the target's is
  // put on first. A date is that of UTC.
  const std::string zone = type->id() == arrow::Type::TIMESTAMP
                               ? static_cast<const arrow::TimestampType&>(*type).timezone()
                               : "";
  ARROW_ASSIGN_OR_RAISE(auto micros, times_us.View(arrow::timestamp(arrow::TimeUnit::MICRO, zone)));
  if (micros->type()->Equals(*type)) return micros;
  InitializeArrow();
  auto options = arrow::compute::CastOptions::Safe(type);
  options.allow_time_truncate = true;
  return arrow::compute::Cast(*micros, type, options);
}

}  // namespace tercet
