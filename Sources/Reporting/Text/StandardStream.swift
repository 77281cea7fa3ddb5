import Glibc

/// stdout and stderr, written to so that a full disk or a closed pipe is an answer and no crash.
public enum StandardStream: Int32, Sendable {
  case output = 1
  case error = 2

  /// Writes all of the text.
  /// - Returns: 0, or the `errno` of what went wrong.
  @discardableResult public func write(_ text: String) -> Int32 {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let n = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
      if n >= 0 {
        bytes = bytes.dropFirst(n)
      } else if errno == EAGAIN {
        var ready = pollfd(fd: rawValue, events: Int16(POLLOUT), revents: 0)
        poll(&ready, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }

  /// Gives the numbers 0 to 2 to something where the caller closed them: a file opened later would get one of them, and
  /// our own messages would go into it. Closed output stays unwritable, closed messages are lost.
  public static func occupy() {
    for (descriptor, access) in [(0, O_RDONLY), (output.rawValue, O_RDONLY), (error.rawValue, O_RDWR)] {
      // The lowest free number is given, which is this one.
      if fcntl(Int32(descriptor), F_GETFD) < 0 { _ = open("/dev/null", access) }
    }
  }
}
