#pragma once

#include "compute/expression_program.h"

/// Loops that kernels are made of. `F` is a captureless lambda; each row is computed by it alone,
/// from that row alone, so that any number of rows gives the same bits.
namespace tercet::expr {

/// out = F(a); null where a is.
template <typename A, typename O, auto F>
void Map1(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 1);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = F(a[i]);
}

/// out = F(a, b); null where either is.
template <typename A, typename B, typename O, auto F>
void Map2(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run, 0);
  const B* b = In<B>(instruction, run, 1);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 2);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = F(a[i], b[i]);
}

/// F(a, &out) tells whether there is an answer; null where there is none, and where a is.
template <typename A, typename O, auto F>
void TryMap1(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 1);
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = O{};
    valid[i] &= static_cast<uint8_t>(F(a[i], &out[i]));
  }
}

/// F(a, b, &out) tells whether there is an answer; null where there is none, or a or b is.
template <typename A, typename B, typename O, auto F>
void TryMap2(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run, 0);
  const B* b = In<B>(instruction, run, 1);
  O* out = Out<O>(instruction, run);
  AndValidity(instruction, run, 2);
  uint8_t* valid = WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = O{};
    valid[i] &= static_cast<uint8_t>(F(a[i], b[i], &out[i]));
  }
}

/// Texts: F(arena, a); null where a is.
template <typename A, auto F>
void MapText1(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run);
  auto* out = Out<std::string_view>(instruction, run);
  AndValidity(instruction, run, 1);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = skip ? std::string_view() : F(*run.arena, a[i]);
  }
}

/// Texts: F(arena, a, b); null where either is.
template <typename A, typename B, auto F>
void MapText2(const Instruction& instruction, Run& run) {
  const A* a = In<A>(instruction, run, 0);
  const B* b = In<B>(instruction, run, 1);
  auto* out = Out<std::string_view>(instruction, run);
  AndValidity(instruction, run, 2);
  const Register& result = run.registers[instruction.out];
  for (int64_t i = 0; i < run.rows; ++i) {
    const bool skip = result.has_nulls && result.valid[i] == 0;
    out[i] = skip ? std::string_view() : F(*run.arena, a[i], b[i]);
  }
}

/// Calls `call.template operator()<T>()` with the C++ type of a layout.
template <typename Call>
auto WithLayout(Layout layout, Call&& call) {
  switch (layout) {
    case Layout::kBool:
      return call.template operator()<Bool>();
    case Layout::kInt64:
      return call.template operator()<int64_t>();
    case Layout::kDouble:
      return call.template operator()<double>();
    case Layout::kText:
    case Layout::kNested:  // Callers have seen that it is none.
      break;
  }
  return call.template operator()<std::string_view>();
}

}  // namespace tercet::expr
