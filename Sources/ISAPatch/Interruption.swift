import Foundation
import Synchronization
import VideoPipeline

/// Ctrl-C and SIGTERM: temporary files and children go, then the process, at once.
public enum Interruption {
  // Written once, by `install`, before anything else runs.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

  /// Call once, at the start of a command.
  public static func install() {
    for (number, status) in [(SIGINT, ExitStatus.interrupted.rawValue), (SIGTERM, 143)] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
      source.setEventHandler { end(with: status) }
      source.resume()
      sources.append(source)
    }
    signal(SIGPIPE, SIG_IGN)
  }

  private static func end(with status: Int32) {
    ChildProcess.endAll()
    for path in AtomicFile.pending.withLock({ $0 }) { unlink(path) }
    FileHandle.standardError.write(Data("\nInterrupted; nothing half-made was left behind.\n".utf8))
    _exit(status)
  }
}
