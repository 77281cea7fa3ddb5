import ArgumentParser
import Foundation
import ISAPatch

/// Where words go: results to stdout, everything else to stderr.
enum Console {
  static func result(_ text: String) {
    FileHandle.standardOutput.write(Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  static func note(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// One line on stderr, and the status of the error's class.
  static func fail(_ error: ToolError) -> Never {
    note("isa-patch: \(error.message)")
    exit(error.status.rawValue)
  }

  /// Ends a command whose work was done with a status other than success.
  static func finish(_ status: ExitStatus) throws {
    if status != .success { throw ExitCode(status.rawValue) }
  }
}
