#include "offline/widening.h"

#include <arrow/type_traits.h>

namespace tercet {
namespace {

using arrow::DataType;
using arrow::Type;

/// Decimal digits that hold every integer of the type; 0 for other types.
int DigitsOf(const DataType& type) {
  switch (type.id()) {
    case Type::INT8:
    case Type::UINT8:
      return 3;
    case Type::INT16:
    case Type::UINT16:
      return 5;
    case Type::INT32:
    case Type::UINT32:
      return 10;
    case Type::INT64:
      return 19;
    case Type::UINT64:
      return 20;
    default:
      return 0;
  }
}

bool FitsInteger(const DataType& from, const DataType& to) {
  const bool to_signed = arrow::is_signed_integer(to.id());
  if (arrow::is_signed_integer(from.id()) == to_signed) return from.bit_width() < to.bit_width();
  return to_signed && from.bit_width() < to.bit_width();
}

bool FitsDecimal(const DataType& from, const DataType& to) {
  const auto& wide = static_cast<const arrow::DecimalType&>(to);
  const int before = wide.precision() - wide.scale();
  if (arrow::is_integer(from.id())) return DigitsOf(from) <= before;
  if (!arrow::is_decimal(from.id())) return false;
  const auto& narrow = static_cast<const arrow::DecimalType&>(from);
  return narrow.precision() - narrow.scale() <= before && narrow.scale() <= wide.scale();
}

bool FitsTimestamp(const DataType& from, const DataType& to) {
  const auto& wide = static_cast<const arrow::TimestampType&>(to);
  if (from.id() == Type::DATE32) return wide.timezone().empty();
  if (from.id() != Type::TIMESTAMP) return false;
  const auto& narrow = static_cast<const arrow::TimestampType&>(from);
  return narrow.timezone() == wide.timezone() && narrow.unit() < wide.unit();
}

bool Fits(const DataType& from, const DataType& to) {
  if (arrow::is_integer(to.id())) return arrow::is_integer(from.id()) && FitsInteger(from, to);
  if (arrow::is_decimal(to.id())) return FitsDecimal(from, to);
  switch (to.id()) {
    case Type::FLOAT:
      return from.id() == Type::HALF_FLOAT;
    case Type::DOUBLE:
      return from.id() == Type::HALF_FLOAT || from.id() == Type::FLOAT ||
             (arrow::is_integer(from.id()) && from.bit_width() <= 32);
    case Type::TIMESTAMP:
      return FitsTimestamp(from, to);
    case Type::LARGE_STRING:
      return from.id() == Type::STRING;
    case Type::LARGE_BINARY:
      return from.id() == Type::BINARY;
    default:
      return false;
  }
}

}  // namespace

Status CheckWidening(const DataType& from, const DataType& to) {
  if (Fits(from, to)) return Status::OK();
  return Status::TypeError(from.ToString(), " can't be widened to ", to.ToString(),
                           ": not every value of the one is a value of the other; add a feature "
                           "of the new type, or make a new version of the group");
}

}  // namespace tercet
