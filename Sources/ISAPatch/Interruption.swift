import Foundation
import Reporting
import Synchronization
import VideoPipeline

/// Ctrl-C, SIGTERM and a terminal that closes: temporary files and children go, then the process, at once.
public enum Interruption {
  // Written once, by `install`, before anything else runs.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

  /// Call once, at the start of a command.
  public static func install() {
    StandardStream.occupy()
    for (number, status) in [(SIGINT, ExitStatus.interrupted.rawValue), (SIGTERM, 143), (SIGHUP, 129)] {
      let before = signal(number, SIG_IGN)
      // As nohup asks.
      if number == SIGHUP, unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
      source.setEventHandler { end(with: status) }
      source.resume()
      sources.append(source)
    }
    // A closed pipe and a file that may not grow are errors of the call that meets them.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  private static func end(with status: Int32) {
    ChildProcess.endAll()
    for path in AtomicFile.pending.withLock({ $0 }) { unlink(path) }
    StandardStream.error.write("\nInterrupted; nothing half-made was left behind.\n")
    _exit(status)
  }
}
