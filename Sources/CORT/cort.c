#define _GNU_SOURCE
#include "CORT.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>

const OrtApiBase *cort_open(const char *path, char *error, size_t error_size) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    snprintf(error, error_size, "%s", dlerror());
    return NULL;
  }
  const OrtApiBase *(*get)(void) = (const OrtApiBase *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (get == NULL) {
    snprintf(error, error_size, "%s: no function OrtGetApiBase", path);
    dlclose(handle);
    return NULL;
  }
  return get();
}

int cort_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}
