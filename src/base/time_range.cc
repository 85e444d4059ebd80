#include "base/time_range.h"

#include "base/time_text.h"

namespace tercet {

Status CheckTimeRange(std::string_view what, std::optional<int64_t> start_us,
                      std::optional<int64_t> end_us) {
  if (!start_us || !end_us || *start_us <= *end_us) return Status::OK();
  return Status::Invalid(what, ": the end, ", FormatTime(*end_us), ", is before the start, ",
                         FormatTime(*start_us), "; exchange them");
}

}  // namespace tercet
