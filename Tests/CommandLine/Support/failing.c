// Preloaded into a command: makes the n-th call that changes a file fail, as a full disk, a broken one or missing rights
// would.
//
//   FAIL_AT       which call, from 1; none where it is absent or 0
//   FAIL_ERROR    the errno that it gives
//   FAIL_LOG      a file that gets the name of the call that was made to fail
//   FAIL_UNNAMED  where set, the file system has no unnamed files (O_TMPFILE)
//
// Calls on the standard streams, pipes, devices and folders are not counted, and children are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static long fail_at;
static int fail_error, unnamed_fails;
static char log_path[4096];

__attribute__((constructor)) static void start(void) {
  const char *at = getenv("FAIL_AT"), *error = getenv("FAIL_ERROR"), *log = getenv("FAIL_LOG");
  fail_at = at ? atol(at) : 0;
  fail_error = error ? atoi(error) : EIO;
  unnamed_fails = getenv("FAIL_UNNAMED") != NULL;
  if (log) snprintf(log_path, sizeof log_path, "%s", log);
  unsetenv("LD_PRELOAD");
}

/// Whether this call is the one; then errno is set.
static int fails(const char *name) {
  if (fail_at == 0 || atomic_fetch_add(&calls, 1) + 1 != fail_at) return 0;
  const int log = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (log >= 0) {
    syscall(SYS_write, log, name, strlen(name));
    syscall(SYS_close, log);
  }
  errno = fail_error;
  return 1;
}

static int is_regular(int file) {
  struct stat status;
  const int before = errno;
  const int regular = file > 2 && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  errno = before;
  return regular;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, #name))

static int refuses_open(const char *path, int flags) {
  if ((flags & O_TMPFILE) == O_TMPFILE && unnamed_fails) {
    errno = EOPNOTSUPP;
    return 1;
  }
  if ((flags & (O_WRONLY | O_RDWR)) == 0) return 0;
  return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0 && fails("open");
}

#define OPEN(name)                                                            \
  int name(const char *path, int flags, ...) {                                \
    va_list list;                                                             \
    va_start(list, flags);                                                    \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                             \
    if (refuses_open(path, flags)) return -1;                                 \
    return REAL(int (*)(const char *, int, ...), name)(path, flags, mode);    \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                              \
  int name(int folder, const char *path, int flags, ...) {                        \
    va_list list;                                                                 \
    va_start(list, flags);                                                        \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list);                                                                 \
    if (refuses_open(path, flags)) return -1;                                     \
    return REAL(int (*)(int, const char *, int, ...), name)(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

// A call on one descriptor, which counts where that is a regular file.
#define ON_FILE(result, name, parameters, arguments, file)               \
  result name parameters {                                               \
    if (is_regular(file) && fails(#name)) return -1;                     \
    return REAL(result(*) parameters, name) arguments;                   \
  }
ON_FILE(ssize_t, write, (int file, const void *data, size_t count), (file, data, count), file)
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t count, off_t at), (file, data, count, at), file)
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t count, off64_t at), (file, data, count, at), file)
ON_FILE(int, fsync, (int file), (file), file)
ON_FILE(int, fdatasync, (int file), (file), file)
ON_FILE(int, ftruncate, (int file, off_t size), (file, size), file)
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size), file)
ON_FILE(int, fchmod, (int file, mode_t mode), (file, mode), file)
ON_FILE(
    ssize_t, copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags),
    (in, from, out, to, count, flags), out)
ON_FILE(ssize_t, sendfile, (int out, int in, off_t *from, size_t count), (out, in, from, count), out)
ON_FILE(ssize_t, sendfile64, (int out, int in, off64_t *from, size_t count), (out, in, from, count), out)

// A call on names.
#define ON_NAME(name, parameters, arguments)              \
  int name parameters {                                   \
    if (fails(#name)) return -1;                          \
    return REAL(int (*) parameters, name) arguments;      \
  }
ON_NAME(rename, (const char *from, const char *to), (from, to))
ON_NAME(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
ON_NAME(link, (const char *from, const char *to), (from, to))
ON_NAME(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
ON_NAME(symlink, (const char *from, const char *to), (from, to))
ON_NAME(mkdir, (const char *path, mode_t mode), (path, mode))
