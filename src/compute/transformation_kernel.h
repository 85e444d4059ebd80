#pragma once

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// Loops of transformations: like those of expressions, with the fitted parameters beside each row.
namespace tercet::expr {

/// out = F(parameters, a); null where a is.
template <typename P, typename A, typename O, auto F>
void MapWith(const Instruction& instruction, Run& run) {
  const P& parameters = instruction.Payload<P>();
  const A* a = In<A>(instruction, run);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 1);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = skip ? O{} : F(parameters, a[i]);
  }
}

/// F(parameters, a, &out) tells whether there is an answer; null where there is none or a is null.
template <typename P, typename A, typename O, auto F>
void TryMapWith(const Instruction& instruction, Run& run) {
  const P& parameters = instruction.Payload<P>();
  const A* a = In<A>(instruction, run);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 1);
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = O{};
    if (valid[i] != 0) valid[i] = static_cast<uint8_t>(F(parameters, a[i], &out[i]));
  }
}

/// The number of row i, as a double: `input` made a double, then out = F(parameters, a).
template <typename P, typename O, auto F>
Result<Value> EmitOfNumber(Binder& binder, const Value& input, const ValueType& type,
                           P parameters) {
  ARROW_ASSIGN_OR_RAISE(const Value number, EmitNumber(binder, input));
  return binder.Emit(MapWith<P, double, O, F>, type, {number}, 0,
                     binder.Own(std::move(parameters)));
}

}  // namespace tercet::expr
