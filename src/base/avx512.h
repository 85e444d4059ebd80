#pragma once

/// For files whose hot loops have a form of their own in AVX-512: TERCET_AVX512 marks a function
/// that may use it, which is called only where HasAvx512().

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees its own intrinsics use what is not set (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#define TERCET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,popcnt")))
#endif

namespace tercet {

/// Whether this processor permutes bytes across 64 lanes: Intel's since 2019, AMD's since 2022.
inline bool HasAvx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

}  // namespace tercet
