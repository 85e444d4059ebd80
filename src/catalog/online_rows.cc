#include "catalog/online_rows.h"

namespace tercet {

std::string_view RowStatusName(RowStatus status) {
  switch (status) {
    case RowStatus::kPresent: return "present";
    case RowStatus::kMissing: return "missing";
    case RowStatus::kExpired: return "expired";
    case RowStatus::kUnavailable: return "unavailable";
    case RowStatus::kStale: return "stale";
  }
  return "unavailable";
}

}  // namespace tercet
