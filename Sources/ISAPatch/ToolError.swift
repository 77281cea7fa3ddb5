import CalibrationCore

/// An error as the user meets it: one sentence with what, where and what to do, and the exit status it stands for.
///
/// Every module throws its own typed errors; a job turns them into this where it knows the file they concern.
public struct ToolError: Error, Equatable, Sendable, CustomStringConvertible {
  public var message: String
  public var status: ExitStatus

  public init(_ message: String, _ status: ExitStatus) {
    self.message = message
    self.status = status
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
