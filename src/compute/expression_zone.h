#pragma once

#include "compute/expression_binder.h"

/// Between instants and the wall clocks of time zones, by the IANA data base that the machine has.
namespace tercet::expr {

/// A time zone by its name, which must be a text in quotes. TypeError for anything else, and for a
/// name that the machine does not know.
Result<const void*> KnownZone(Binder& binder, const Value& name);

/// What a clock in the zone shows at an instant, as a timestamp without a zone.
Value EmitLocal(Binder& binder, const Value& instant, const void* zone);
/// When a clock in the zone shows a time, as a timestamp in UTC: the first time where it shows it
/// twice, and where it leaps over it the moment at which it does.
Value EmitInstant(Binder& binder, const Value& local, const void* zone);

}  // namespace tercet::expr
