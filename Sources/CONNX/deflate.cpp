#include <limits.h>
#include <zlib.h>

#include "CONNX.h"

size_t connx_deflate_bound(size_t size) noexcept { return compressBound(size); }

size_t connx_deflate(const void *data, size_t size, void *buffer, size_t capacity) noexcept {
  uLongf written = capacity;
  const int code = compress2(
      static_cast<Bytef *>(buffer), &written, static_cast<const Bytef *>(data), size, Z_BEST_COMPRESSION);
  return code == Z_OK ? written : 0;
}

int32_t connx_inflate(const void *data, size_t size, void *buffer, size_t expected) noexcept {
  uLongf written = expected;
  const int code = uncompress(static_cast<Bytef *>(buffer), &written, static_cast<const Bytef *>(data), size);
  return code == Z_OK && written == expected ? 0 : 1;
}
