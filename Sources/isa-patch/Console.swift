import ArgumentParser
import Foundation
import ISAPatch
import Reporting

/// Where words go: results to stdout, everything else to stderr.
enum Console {
  /// Ends the command where stdout takes no more; a reader that has seen enough (`| head`) is no failure.
  static func result(_ text: String) {
    let code = StandardStream.output.write(text.hasSuffix("\n") ? text : text + "\n")
    guard code != 0, code != EPIPE else { return }
    let reason = String(cString: strerror(code)).lowercased()
    fail(ToolError("The result cannot be written to stdout: \(reason); send it somewhere else.", .ioError))
  }

  static func note(_ text: String) {
    StandardStream.error.write(text + "\n")
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
