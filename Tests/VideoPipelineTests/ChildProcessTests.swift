import Foundation
import Testing
import VideoPipeline

/// With the system's own small programs. A deadlock shows as a test that does not end.
@Suite struct ChildProcessTests {
  /// More than any pipe holds, both ways at once.
  @Test(.timeLimit(.minutes(1))) func muchGoesThroughBothWaysAtOnce() throws {
    let piece = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var sent = 0
    var received: [UInt8] = []
    let result = try ChildProcess.run("/bin/cat", []) {
      sent += 1
      return sent <= 300 ? piece : []
    } consume: {
      received += $0
      return true
    }
    #expect(result.status == 0)
    #expect(received.count == 300 * piece.count)
    #expect(
      stride(from: 0, to: received.count, by: piece.count).allSatisfy {
        Array(received[$0..<$0 + piece.count]) == piece
      })
  }

  @Test(.timeLimit(.minutes(1))) func muchOnStandardErrorDoesNotBlock() throws {
    let script = "yes 'an error' | head -c 3000000 >&2; echo last >&2; echo out"
    var output = ""
    let result = try ChildProcess.run("/bin/sh", ["-c", script]) {
      output += String(decoding: $0, as: UTF8.self)
      return true
    }
    #expect(output == "out\n")
    #expect(result.errors.hasSuffix("last\n"))
    #expect(result.errors.utf8.count < 100_000)
  }

  @Test func statusAndSignalAreTold() throws {
    #expect(try ChildProcess.run("/bin/sh", ["-c", "exit 7"]) { _ in true }.status == 7)
    #expect(try ChildProcess.run("/bin/sh", ["-c", "kill -9 $$"]) { _ in true }.status == nil)
    #expect(throws: ChildProcess.Failure.notFound) { try ChildProcess.run("/nonexistent", []) { _ in true } }
  }

  @Test(.timeLimit(.minutes(1))) func aStoppedProgramIsGone() throws {
    #expect(throws: ChildProcess.Failure.stopped) { try ChildProcess.run("/bin/cat", ["/dev/zero"]) { _ in false } }
  }

  /// No shell looks at the arguments.
  @Test func argumentsArriveAsTheyAre() throws {
    var output: [UInt8] = []
    let arguments = ["$HOME", "`id`", "a b", "", "*", "é\n"]
    _ = try ChildProcess.run("/usr/bin/printf", ["%s|"] + arguments) {
      output += $0
      return true
    }
    #expect(String(decoding: output, as: UTF8.self) == arguments.map { $0 + "|" }.joined())
  }

  /// A program that starts while another runs inherits none of the other's channels: the other would see its input's
  /// end only when that program ends.
  @Test(.timeLimit(.minutes(1))) func aChildHasItsOwnChannelsAlone() throws {
    var sleeper = ""
    var isFirst = true
    let result = try ChildProcess.run("/bin/cat", []) {
      defer { isFirst = false }
      guard isFirst else { return [] }
      _ = try? ChildProcess.run("/bin/sh", ["-c", "sleep 40 >/dev/null 2>&1 </dev/null & echo $!"]) {
        sleeper += String(decoding: $0, as: UTF8.self)
        return true
      }
      return [1]
    } consume: { _ in
      true
    }
    #expect(result.status == 0)
    let child = try #require(pid_t(sleeper.trimmingCharacters(in: .whitespacesAndNewlines)))
    // Still there, so that nothing had to wait for it.
    #expect(kill(child, SIGKILL) == 0)
  }

  @Test func channelsAreClosedAgain() throws {
    func sockets() throws -> Int {
      let folder = "/proc/self/fd"
      return try FileManager.default.contentsOfDirectory(atPath: folder).count {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))?.hasPrefix("socket:") == true
      }
    }
    let before = try sockets()
    for _ in 0..<50 {
      _ = try ChildProcess.run("/bin/true", []) {
        [1]
      } consume: { _ in
        true
      }
    }
    // Other tests run beside this one.
    #expect(try sockets() < before + 40)
  }
}
