#include "CONNX.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

namespace {

/// The SHA extensions with the SSE levels that their use here needs (all of general use since SSE4.1).
bool has_extensions() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

const bool extensions = has_extensions();

}  // namespace

__attribute__((target("sha,ssse3,sse4.1"))) int32_t connx_sha256_blocks(
    uint32_t *state, const uint32_t *constants, const void *data, size_t blocks) noexcept {
  if (!extensions) return 1;
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  // The instructions hold the eight words as {f, e, b, a} and {h, g, d, c}.
  __m128i abef = _mm_set_epi32(state[0], state[1], state[4], state[5]);
  __m128i cdgh = _mm_set_epi32(state[2], state[3], state[6], state[7]);
  const auto *words = static_cast<const __m128i *>(data);
  for (size_t block = 0; block < blocks; ++block, words += 4) {
    const __m128i before0 = abef, before1 = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) w[i] = _mm_shuffle_epi8(_mm_loadu_si128(words + i), swap);
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; ++group) {
      __m128i next = w[group & 3];
      if (group >= 4) {
        const __m128i w0 = w[group & 3], w1 = w[(group + 1) & 3], w2 = w[(group + 2) & 3], w3 = w[(group + 3) & 3];
        next = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
        next = _mm_sha256msg2_epu32(next, w3);
        w[group & 3] = next;
      }
      const auto *k = reinterpret_cast<const __m128i *>(constants) + group;
      const __m128i sum = _mm_add_epi32(next, _mm_loadu_si128(k));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, before0);
    cdgh = _mm_add_epi32(cdgh, before1);
  }
  state[0] = _mm_extract_epi32(abef, 3);
  state[1] = _mm_extract_epi32(abef, 2);
  state[4] = _mm_extract_epi32(abef, 1);
  state[5] = _mm_extract_epi32(abef, 0);
  state[2] = _mm_extract_epi32(cdgh, 3);
  state[3] = _mm_extract_epi32(cdgh, 2);
  state[6] = _mm_extract_epi32(cdgh, 1);
  state[7] = _mm_extract_epi32(cdgh, 0);
  return 0;
}

#else

int32_t connx_sha256_blocks(uint32_t *, const uint32_t *, const void *, size_t) noexcept { return 1; }

#endif
