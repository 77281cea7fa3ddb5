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

/// For kernels before 5.6: open, then compare the resolved paths of file and folder.
int open_and_compare(int folder, const char *location) {
  const int file = openat(folder, location, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return -1;
  char inside[PATH_MAX + 1], outside[PATH_MAX + 1];
  const auto resolved = [](int descriptor, char *buffer) {
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    const ssize_t size = readlink(link.c_str(), buffer, PATH_MAX);
    if (size > 0) buffer[size] = 0;
    return size > 0;
  };
  if (resolved(folder, outside) && resolved(file, inside)) {
    const size_t length = strlen(outside);
    if (strncmp(inside, outside, length) == 0 && (inside[length] == '/' || strcmp(outside, "/") == 0)) return file;
  }
  close(file);
  errno = EXDEV;
  return -1;
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
  if (errno == ENOSYS || errno == EPERM) return open_and_compare(folder, location);
  return -1;
} catch (...) {
  errno = ENOMEM;
  return -1;
}
