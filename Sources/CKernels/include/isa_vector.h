#pragma once
/// One vector type and the few operations on it that Swift's SIMD types do not reach, for the instruction set that the
/// importing module is compiled for. Each inlines to the one or two instructions named.
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ISA_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512BF16__)
#define ISA_LANES 16
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define ISA_LANES 8
#else
#define ISA_LANES 4
#endif

typedef float isa_v __attribute__((vector_size(ISA_LANES * 4)));
typedef int32_t isa_i __attribute__((vector_size(ISA_LANES * 4)));
typedef uint16_t isa_h __attribute__((vector_size(ISA_LANES * 2)));

// Scalars, for tails.

ISA_INLINE float isa_bits(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
ISA_INLINE uint32_t isa_word(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
ISA_INLINE float isa_from_brain(uint16_t h) { return isa_bits((uint32_t)h << 16); }
ISA_INLINE float isa_from_half(uint16_t h) {
  float f = isa_bits((uint32_t)(h & 0x7fff) << 13) * isa_bits(0x77800000);  // 2^112 moves the exponent's offset
  uint32_t u = isa_word(f);
  if ((h & 0x7c00) == 0x7c00) u |= 0x7f800000;
  return isa_bits(u | (uint32_t)(h & 0x8000) << 16);
}
ISA_INLINE uint16_t isa_to_brain(float f) {
  uint32_t u = isa_word(f);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16) | 0x40;
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
ISA_INLINE uint16_t isa_to_half(float f) {
  uint32_t u = isa_word(f), sign = (u >> 16) & 0x8000;
  u &= 0x7fffffff;
  if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (u < 0x38800000) {  // subnormal: the addition rounds to the half's last place
    float r = isa_bits(u) + isa_bits(0x3f000000);
    return (uint16_t)(sign | (isa_word(r) - 0x3f000000));
  }
  u += 0xc8000fff + ((u >> 13) & 1);
  return (uint16_t)(sign | (u >> 13));
}

#if defined(__x86_64__)
ISA_INLINE void isa_prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
#else
ISA_INLINE void isa_prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }
#endif

// bfloat16 by integer shifts: the compiler finds the instructions on every set.

ISA_INLINE isa_v isa_load_brain(const void *p) {
  isa_h h;
  memcpy(&h, p, sizeof h);
  return (isa_v)(__builtin_convertvector(h, isa_i) << 16);
}
ISA_INLINE void isa_store_brain(void *p, isa_v v) {
  typedef uint32_t u_t __attribute__((vector_size(ISA_LANES * 4)));
  u_t u = (u_t)v;
  u_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  u_t quiet = (u >> 16) | 0x40;
  u_t nan = (u_t)((u & 0x7fffffff) > 0x7f800000);
  isa_h h = __builtin_convertvector((rounded & ~nan) | (quiet & nan), isa_h);
  memcpy(p, &h, sizeof h);
}

#if ISA_LANES == 16

ISA_INLINE isa_v isa_max(isa_v a, isa_v b) { return (isa_v)_mm512_max_ps((__m512)a, (__m512)b); }
ISA_INLINE int32_t isa_any_greater(isa_v a, isa_v b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ) != 0;
}
ISA_INLINE float isa_sum(isa_v a) { return _mm512_reduce_add_ps((__m512)a); }
ISA_INLINE float isa_largest(isa_v a) { return _mm512_reduce_max_ps((__m512)a); }
/// t as `isa_fraction` and `isa_scale` want it.
ISA_INLINE isa_v isa_exponent(isa_v t) { return t; }
/// t − ⌊t⌋ (vreduceps).
ISA_INLINE isa_v isa_fraction(isa_v t) { return (isa_v)_mm512_reduce_ps((__m512)t, 0x09); }
/// p·2^⌊t⌋ (vscalefps).
ISA_INLINE isa_v isa_scale(isa_v p, isa_v t) { return (isa_v)_mm512_scalef_ps((__m512)p, (__m512)t); }
ISA_INLINE isa_v isa_load_half(const void *p) {
  return (isa_v)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
ISA_INLINE void isa_store_half(void *p, isa_v v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, 0));
}
/// Sums of products of bf16 pairs (vdpbf16ps).
ISA_INLINE isa_v isa_dot_brain(isa_v c, isa_i a, isa_i b) {
  return (isa_v)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}
/// Neighbours of 32 floats as 16 pairs (vcvtne2ps2bf16).
ISA_INLINE isa_i isa_brain_pairs(isa_v low, isa_v high) {
  return (isa_i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
/// Pairs (low[i], high[i]).
ISA_INLINE isa_i isa_brain_zip(isa_v low, isa_v high, isa_i index) {
  return (isa_i)_mm512_permutexvar_epi16((__m512i)index, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}

#elif ISA_LANES == 8

ISA_INLINE isa_v isa_max(isa_v a, isa_v b) { return (isa_v)_mm256_max_ps((__m256)a, (__m256)b); }
ISA_INLINE int32_t isa_any_greater(isa_v a, isa_v b) {
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_GT_OQ)) != 0;
}
ISA_INLINE isa_v isa_exponent(isa_v t) { return isa_max((isa_v)_mm256_set1_ps(-127), t); }
ISA_INLINE isa_v isa_fraction(isa_v t) { return t - (isa_v)_mm256_floor_ps((__m256)t); }
ISA_INLINE isa_v isa_scale(isa_v p, isa_v t) {
  __m256i n = _mm256_cvtps_epi32(_mm256_floor_ps((__m256)t));
  return p * (isa_v)_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
}
ISA_INLINE isa_v isa_load_half(const void *p) { return (isa_v)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
ISA_INLINE void isa_store_half(void *p, isa_v v) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)v, 0)); }
ISA_INLINE float isa_sum(isa_v a) {
  __m128 h = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
  h = _mm_add_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
ISA_INLINE float isa_largest(isa_v a) {
  __m128 h = _mm_max_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

#else

#if defined(__SSE2__)
ISA_INLINE isa_v isa_max(isa_v a, isa_v b) { return (isa_v)_mm_max_ps((__m128)a, (__m128)b); }
ISA_INLINE int32_t isa_any_greater(isa_v a, isa_v b) {
  return _mm_movemask_ps(_mm_cmpgt_ps((__m128)a, (__m128)b)) != 0;
}
/// ⌊t⌋ for −2^31 < t < 2^31.
ISA_INLINE isa_i isa_floor(isa_v t) {
  __m128i n = _mm_cvttps_epi32((__m128)t);
  return (isa_i)_mm_add_epi32(n, _mm_castps_si128(_mm_cmplt_ps((__m128)t, _mm_cvtepi32_ps(n))));
}
#else
ISA_INLINE isa_v isa_max(isa_v a, isa_v b) { return a > b ? a : b; }
ISA_INLINE int32_t isa_any_greater(isa_v a, isa_v b) {
  isa_i m = a > b;
  return (m[0] | m[1] | m[2] | m[3]) != 0;
}
ISA_INLINE isa_i isa_floor(isa_v t) {
  isa_i n = __builtin_convertvector(t, isa_i);
  return n + (isa_i)(t < __builtin_convertvector(n, isa_v));
}
#endif
ISA_INLINE isa_v isa_exponent(isa_v t) { return isa_max((isa_v){-127, -127, -127, -127}, t); }
ISA_INLINE isa_v isa_fraction(isa_v t) { return t - __builtin_convertvector(isa_floor(t), isa_v); }
ISA_INLINE isa_v isa_scale(isa_v p, isa_v t) { return p * (isa_v)((isa_floor(t) + 127) << 23); }
ISA_INLINE isa_v isa_load_half(const void *p) {
  isa_h h;
  memcpy(&h, p, sizeof h);
  isa_i u = __builtin_convertvector(h, isa_i);
  isa_i f = (isa_i)((isa_v)((u & 0x7fff) << 13) * 0x1p112f);
  f |= (isa_i)((u & 0x7c00) == 0x7c00) & 0x7f800000;
  return (isa_v)(f | (u & 0x8000) << 16);
}
ISA_INLINE void isa_store_half(void *p, isa_v v) {
  uint16_t h[4];
  for (int i = 0; i < 4; i++) h[i] = isa_to_half(v[i]);
  memcpy(p, h, sizeof h);
}
ISA_INLINE float isa_sum(isa_v a) { return (a[0] + a[2]) + (a[1] + a[3]); }
ISA_INLINE float isa_largest(isa_v a) {
  float x = a[0] > a[1] ? a[0] : a[1], y = a[2] > a[3] ? a[2] : a[3];
  return x > y ? x : y;
}

#endif
