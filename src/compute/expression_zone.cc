#include "compute/expression_zone.h"

#include <chrono>
#include <exception>

// Arrow reads the machine's own data base, and exports what its kernels read it with.
#define USE_OS_TZDB 1
#include <arrow/vendored/datetime.h>

#include "base/short_text.h"
#include "compute/calendar.h"
#include "compute/expression_kernel.h"

namespace tercet::expr {
namespace {

namespace date = arrow_vendored::date;
using std::chrono::seconds;

constexpr int64_t kSecondMicros = 1'000'000;
const ValueType kUtcType{Kind::kTimestamp, "UTC"};
const ValueType kLocalType{Kind::kTimestamp, ""};

/// The time, moved by some seconds; null where 64 bits have no place for it.
bool Move(int64_t micros, int64_t by_seconds, int64_t* out) {
  return !__builtin_add_overflow(micros, by_seconds * kSecondMicros, out);
}

void ToLocal(const Instruction& instruction, Run& run) {
  const auto& zone = instruction.Payload<date::time_zone>();
  const int64_t* in = In<int64_t>(instruction, run);
  int64_t* out = Out<int64_t>(instruction, run);
  AndValidity(instruction, run, 1);
  uint8_t* valid = WritableValidity(instruction, run);
  date::sys_info info{};  // of the row before, which mostly holds for the next one too
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = 0;
    const date::sys_seconds at{seconds(FloorDiv(in[i], kSecondMicros))};
    if (at < info.begin || at >= info.end) info = zone.get_info(at);
    valid[i] &= static_cast<uint8_t>(Move(in[i], info.offset.count(), &out[i]));
  }
}

void ToInstant(const Instruction& instruction, Run& run) {
  const auto& zone = instruction.Payload<date::time_zone>();
  const int64_t* in = In<int64_t>(instruction, run);
  int64_t* out = Out<int64_t>(instruction, run);
  AndValidity(instruction, run, 1);
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = 0;
    const date::local_info info =
        zone.get_info(date::local_seconds(seconds(FloorDiv(in[i], kSecondMicros))));
    if (info.result == date::local_info::nonexistent) {
      out[i] = info.first.end.time_since_epoch().count() * kSecondMicros;
    } else {
      valid[i] &= static_cast<uint8_t>(Move(in[i], -info.first.offset.count(), &out[i]));
    }
  }
}

Result<Value> BindFromUtc(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const void* zone, KnownZone(binder, arguments[1]));
  return EmitLocal(binder, time, zone);
}

Result<Value> BindToUtc(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value time, binder.AsTimestamp(arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const void* zone, KnownZone(binder, arguments[1]));
  return EmitInstant(binder, time, zone);
}

constexpr Function kFunctions[] = {
    {"from_utc_timestamp", 2, 2, BindFromUtc},
    {"to_utc_timestamp", 2, 2, BindToUtc},
};

}  // namespace

Result<const void*> KnownZone(Binder& binder, const Value& name) {
  const Literal* known = binder.KnownValue(name);
  if (known == nullptr || known->kind != Kind::kString || !known->valid) {
    return binder.Mismatch("a time zone in quotes, such as 'Europe/Oslo'", name);
  }
  try {
    return date::locate_zone(known->text);
  } catch (const std::exception& error) {
    return binder.Error("there is no time zone '" + ShortText(known->text) + "' (" +
                        error.what() + "); they are named as in 'Europe/Oslo'");
  }
}

Value EmitLocal(Binder& binder, const Value& instant, const void* zone) {
  return binder.Emit(ToLocal, kLocalType, {instant}, 0, zone);
}

Value EmitInstant(Binder& binder, const Value& local, const void* zone) {
  return binder.Emit(ToInstant, kUtcType, {local}, 0, zone);
}

std::span<const Function> ZoneFunctions() { return kFunctions; }

}  // namespace tercet::expr
