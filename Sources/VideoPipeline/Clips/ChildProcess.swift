import Glibc
import Synchronization

/// Programs started without a shell, fed and drained at once so that no full pipe can block either side.
///
/// Blocking calls on the caller's thread. `endAll` kills whatever runs, for Ctrl-C.
public enum ChildProcess {
  private static let running = Mutex<Set<pid_t>>([])

  /// Kills every child that runs now. Meant for the end of the process: the callers' `run` then reports a failure.
  public static func endAll() {
    running.withLock { for child in $0 { kill(child, SIGKILL) } }
  }

  package struct Result {
    /// nil where a signal ended the program.
    package var status: Int32?
    /// The last bytes of what it said.
    package var errors: String
  }

  package enum Failure: Error, Equatable {
    case notFound
    case cannotStart(Int32)
    /// `consume` asked to stop.
    case stopped
  }

  private static let chunk = 1 << 16
  private static let keptErrors = 1 << 14

  /// - Parameters:
  ///   - program: a path.
  ///   - produce: next bytes for its input; empty is the end. nil: it has no input.
  ///   - consume: takes its output piece by piece; false stops the program.
  package static func run(
    _ program: String, _ arguments: [String], produce: (() -> [UInt8])? = nil,
    consume: (UnsafeRawBufferPointer) -> Bool
  ) throws(Failure) -> Result {
    guard let output = Channel.socket(), let errors = Channel.socket(),
      let input = produce == nil ? Channel.null() : Channel.socket()
    else { throw .cannotStart(errno) }
    let child = try spawn(program, arguments, input: input.theirs, output: output.theirs, errors: errors.theirs)
    for channel in [input, output, errors] { channel.closeTheirs() }
    var feeder = Feeder(channel: input, produce: produce)
    var said: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 16)
    defer { buffer.deallocate() }
    var stopped = false
    while output.ours >= 0 || errors.ours >= 0 {
      var polls = [
        pollfd(fd: output.ours, events: Int16(POLLIN), revents: 0),
        pollfd(fd: errors.ours, events: Int16(POLLIN), revents: 0),
        pollfd(fd: feeder.isDone ? -1 : input.ours, events: Int16(POLLOUT), revents: 0),
      ]
      if poll(&polls, nfds_t(polls.count), -1) < 0, errno != EINTR { break }
      if polls[0].revents != 0, let bytes = output.read(into: buffer), !consume(bytes) {
        stopped = true
        kill(child, SIGKILL)
        break
      }
      if polls[1].revents != 0, let bytes = errors.read(into: buffer) {
        said += bytes
        if said.count > 2 * keptErrors { said.removeFirst(said.count - keptErrors) }
      }
      if polls[2].revents != 0 { feeder.feed() }
    }
    for channel in [input, output, errors] { channel.closeOurs() }
    let status = reap(child)
    if stopped { throw .stopped }
    return Result(status: status, errors: String(decoding: said, as: UTF8.self))
  }

  private static func spawn(
    _ program: String, _ arguments: [String], input: Int32, output: Int32, errors: Int32
  ) throws(Failure) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, target) in [(input, 0), (output, 1), (errors, 2)] as [(Int32, Int32)] {
      posix_spawn_file_actions_adddup2(&actions, descriptor, target)
    }
    // What this process ignores, a child would ignore too.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

    var vector: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    // Started under the lock, so that `endAll` misses none.
    let (code, child) = running.withLock { running in
      var child: pid_t = 0
      let code = posix_spawn(&child, program, &actions, &attributes, &vector, environ)
      if code == 0 { running.insert(child) }
      return (code, child)
    }
    guard code == 0 else { throw code == ENOENT ? .notFound : .cannotStart(code) }
    return child
  }

  /// Waits, and forgets the child together with its number, which the system may then give to another.
  private static func reap(_ child: pid_t) -> Int32? {
    var info = siginfo_t()
    while waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    return running.withLock { running in
      var status: Int32 = 0
      while waitpid(child, &status, 0) < 0, errno == EINTR {}
      running.remove(child)
      return status & 0x7F == 0 ? (status >> 8) & 0xFF : nil
    }
  }
}

/// The two ends of a connection with a child. Every descriptor is closed when the child starts and when this goes.
private final class Channel {
  private(set) var ours: Int32
  private(set) var theirs: Int32

  private init(ours: Int32, theirs: Int32) {
    self.ours = ours
    self.theirs = theirs
  }

  deinit {
    closeOurs()
    closeTheirs()
  }

  /// Sockets rather than pipes: a program that ends early then gives an error here and no signal, and no other child
  /// that is started at the same time can inherit them.
  static func socket() -> Channel? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return Channel(ours: ends[0], theirs: ends[1])
  }

  static func null() -> Channel? {
    let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
    return descriptor < 0 ? nil : Channel(ours: -1, theirs: descriptor)
  }

  func closeOurs() {
    if ours >= 0 { close(ours) }
    ours = -1
  }

  func closeTheirs() {
    if theirs >= 0 { close(theirs) }
    theirs = -1
  }

  /// nil where nothing is there now; closes our end at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
    let n = Glibc.read(ours, buffer.baseAddress, buffer.count)
    if n > 0 { return UnsafeRawBufferPointer(rebasing: buffer[0..<n]) }
    if n == 0 || (errno != EAGAIN && errno != EINTR) { closeOurs() }
    return nil
  }
}

/// Sends what a producer gives, as far as the child takes it.
private struct Feeder {
  let channel: Channel
  let produce: (() -> [UInt8])?
  private var pending: [UInt8] = []
  private var sent = 0

  init(channel: Channel, produce: (() -> [UInt8])?) {
    self.channel = channel
    self.produce = produce
  }

  var isDone: Bool { channel.ours < 0 }

  mutating func feed() {
    if sent == pending.count {
      pending = produce?() ?? []
      sent = 0
    }
    guard !pending.isEmpty else { return channel.closeOurs() }
    let n = pending.withUnsafeBytes {
      send(channel.ours, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
    }
    if n >= 0 { sent += n } else if errno != EAGAIN, errno != EINTR { channel.closeOurs() }
  }
}
