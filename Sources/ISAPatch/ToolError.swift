import CalibrationCore

/// An error as the user meets it: one sentence with what, where and what to do, and the exit status it stands for.
///
/// Every module throws its own typed errors; a job turns them into this where it knows the file they concern.
public struct ToolError: Error, Equatable, Sendable, CustomStringConvertible {
  public var message: String
  public var status: ExitStatus

  public init(_ message: String, _ status: ExitStatus) {
    self.message = Self.line(message)
    self.status = status
  }

  /// One line of a bounded length, whatever names from files stand in it.
  private static func line(_ message: String) -> String {
    let limit = 2000
    let scalars = message.unicodeScalars
    guard scalars.count > limit || scalars.contains(where: isControl) else { return message }
    var text = String.UnicodeScalarView()
    for scalar in scalars.prefix(limit) { text.append(isControl(scalar) ? "?" : scalar) }
    return String(text) + (scalars.count > limit ? "…" : "")
  }

  /// What could break the line, or change the terminal.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
  }

  public var description: String { message }

  static func cannotWrite(_ path: String, _ reason: String) -> ToolError {
    ToolError("\(path) cannot be written: \(reason); choose another output with -o.", .cannotCreate)
  }

  static func readFailed(_ path: String, _ reason: String) -> ToolError {
    ToolError("\(path) cannot be read: \(reason).", .ioError)
  }

  static func missing(_ path: String) -> ToolError {
    ToolError("\(path) does not exist; check the path.", .noInput)
  }

  init(_ error: CalibrationError) {
    switch error {
    case .malformed: self.init(error.message, .dataError)
    default: self.init(error.message, .configuration)
    }
  }
}
