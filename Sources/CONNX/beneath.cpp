#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "CONNX.h"

namespace {

/// Opens what a location leads to, links followed, where its resolved path is beneath a folder's. What is outside is
/// looked up and never opened.
int open_and_compare(int folder, const char *location, int allowed) {
  const int found = openat(folder, location, O_PATH | O_CLOEXEC);
  if (found < 0) return -1;
  char inside[PATH_MAX + 1], outside[PATH_MAX + 1];
  const auto name = [](int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); };
  const auto resolved = [&](int descriptor, char *buffer) {
    const ssize_t size = readlink(name(descriptor).c_str(), buffer, PATH_MAX);
    if (size > 0) buffer[size] = 0;
    return size > 0;
  };
  int file = -1;
  errno = EXDEV;
  if (resolved(allowed, outside) && resolved(found, inside)) {
    const size_t length = strlen(outside);
    if (strncmp(inside, outside, length) == 0 && (inside[length] == '/' || strcmp(outside, "/") == 0)) {
      file = open(name(found).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } else {
      errno = EXDEV;
    }
  }
  const int reason = errno;
  close(found);
  errno = reason;
  return file;
}

}  // namespace

int32_t connx_open_beneath(int32_t folder, const char *location) noexcept try {
  struct open_how how;
  memset(&how, 0, sizeof how);
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long file = syscall(SYS_openat2, folder, location, &how, sizeof how);
  if (file >= 0) return static_cast<int32_t>(file);
  // EPERM: a sandbox that does not know the call.
  if (errno == ENOSYS || errno == EPERM) return open_and_compare(folder, location, folder);
  return -1;
} catch (...) {
  errno = ENOMEM;
  return -1;
}

int32_t connx_open_resolved(int32_t folder, const char *location, int32_t allowed) noexcept try {
  return open_and_compare(folder, location, allowed);
} catch (...) {
  errno = ENOMEM;
  return -1;
}
