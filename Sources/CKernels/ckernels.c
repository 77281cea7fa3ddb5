#include "CKernels.h"
#include <sched.h>
#include <time.h>

uint32_t isa_cpu_features(void) {
  uint32_t features = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  // The levels that the targets are compiled for: the compiler may use anything of them.
  if (__builtin_cpu_supports("x86-64-v3")) features |= ISA_CPU_AVX2;
  if (__builtin_cpu_supports("x86-64-v4")) features |= ISA_CPU_AVX512;
  if ((features & ISA_CPU_AVX512) && __builtin_cpu_supports("avx512bf16")) features |= ISA_CPU_AVX512_BF16;
#endif
  return features;
}

int64_t isa_next(int64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

int64_t isa_ended(int64_t *counter) { return __atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL); }

void isa_publish(int64_t *number, int64_t value) { __atomic_store_n(number, value, __ATOMIC_RELEASE); }

void isa_await(const int64_t *number, int64_t value) {
  // Passes end within microseconds of each other; beyond that the core is somebody else's.
  for (int turn = 0; __atomic_load_n(number, __ATOMIC_ACQUIRE) < value; turn++) {
    if (turn < 2000) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    } else {
      sched_yield();
    }
  }
}

double isa_thread_seconds(void) {
  struct timespec t;
  return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}
