#include "neighbors/float_distance.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tercet {
namespace {

template <typename Term>
float Portable(const float* a, const float* b, size_t count, Term term) {
  float lanes[kFloatStep] = {};
  for (size_t i = 0; i < count; i += kFloatStep) {
    for (size_t k = 0; k < kFloatStep; ++k) lanes[k] += term(a[i + k], b[i + k]);
  }
  for (size_t width = kFloatStep / 2; width > 0; width /= 2) {
    for (size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

float PortableSquaredL2(const float* a, const float* b, size_t count) {
  return Portable(a, b, count, [](float x, float y) { return (x - y) * (x - y); });
}

float PortableNegativeProduct(const float* a, const float* b, size_t count) {
  return -Portable(a, b, count, [](float x, float y) { return x * y; });
}

struct Distances {
  FloatDistance squared_l2 = PortableSquaredL2;
  FloatDistance negative_product = PortableNegativeProduct;
};

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) inline float SumOf(__m256 low, __m256 high) {
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// Four sums side by side, as one addition takes four cycles; by hand, since the compiler keeps an
// array of them in memory.
__attribute__((target("avx2,fma"))) float WideSquaredL2(const float* a, const float* b,
                                                        size_t count) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    const __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
    const __m256 d2 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16));
    const __m256 d3 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24));
    sum0 = _mm256_fmadd_ps(d0, d0, sum0);
    sum1 = _mm256_fmadd_ps(d1, d1, sum1);
    sum2 = _mm256_fmadd_ps(d2, d2, sum2);
    sum3 = _mm256_fmadd_ps(d3, d3, sum3);
  }
  if (i < count) {
    const __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    const __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
    sum0 = _mm256_fmadd_ps(d0, d0, sum0);
    sum1 = _mm256_fmadd_ps(d1, d1, sum1);
  }
  return SumOf(_mm256_add_ps(sum0, sum2), _mm256_add_ps(sum1, sum3));
}

__attribute__((target("avx2,fma"))) float WideNegativeProduct(const float* a, const float* b,
                                                              size_t count) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
    sum2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), sum2);
    sum3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), sum3);
  }
  if (i < count) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
  }
  return -SumOf(_mm256_add_ps(sum0, sum2), _mm256_add_ps(sum1, sum3));
}

__attribute__((target("avx512f"))) inline float SumOf(__m512 sum) {
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum), 1));
  return SumOf(_mm512_castps512_ps256(sum), high);
}

// The same in steps of twice the width. A rest has one to three steps.
__attribute__((target("avx512f"))) float WidestSquaredL2(const float* a, const float* b,
                                                         size_t count) {
  __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    const __m512 d1 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
    const __m512 d2 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32));
    const __m512 d3 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48));
    sum0 = _mm512_fmadd_ps(d0, d0, sum0);
    sum1 = _mm512_fmadd_ps(d1, d1, sum1);
    sum2 = _mm512_fmadd_ps(d2, d2, sum2);
    sum3 = _mm512_fmadd_ps(d3, d3, sum3);
  }
  for (; i < count; i += 16) {
    const __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    sum0 = _mm512_fmadd_ps(d0, d0, sum0);
  }
  return SumOf(_mm512_add_ps(_mm512_add_ps(sum0, sum2), _mm512_add_ps(sum1, sum3)));
}

__attribute__((target("avx512f"))) float WidestNegativeProduct(const float* a, const float* b,
                                                               size_t count) {
  __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
    sum1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1);
    sum2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), sum2);
    sum3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), sum3);
  }
  for (; i < count; i += 16) {
    sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
  }
  return -SumOf(_mm512_add_ps(_mm512_add_ps(sum0, sum2), _mm512_add_ps(sum1, sum3)));
}

Distances FastestDistances() {
  if (__builtin_cpu_supports("avx512f")) return {WidestSquaredL2, WidestNegativeProduct};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {WideSquaredL2, WideNegativeProduct};
  }
  return {};
}

#else

Distances FastestDistances() { return {}; }

#endif

}  // namespace

FloatDistance FloatDistanceOf(VectorMetric metric) {
  static const Distances distances = FastestDistances();
  return metric == VectorMetric::kL2 ? distances.squared_l2 : distances.negative_product;
}

}  // namespace tercet
