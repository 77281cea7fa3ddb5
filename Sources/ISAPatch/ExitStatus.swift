/// How a command ended: sysexits' codes, and two of our own.
public enum ExitStatus: Int32, Sendable {
  case success = 0
  /// The work was done but what was asked does not hold.
  case unmet = 1
  /// No site was replaced.
  case nothingReplaced = 2
  case usage = 64
  case dataError = 65
  case noInput = 66
  case unavailable = 69
  case softwareBug = 70
  case cannotCreate = 73
  case ioError = 74
  case configuration = 78
  case interrupted = 130
}
