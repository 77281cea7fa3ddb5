import Foundation

/// What the stream behind a descriptor can show.
public struct Terminal: Equatable, Sendable {
  /// Whether a person sees it now.
  public var isTerminal: Bool
  /// Columns; nil where lines may have any length.
  public var width: Int?
  /// Whether colours may be used.
  public var hasColour: Bool

  public init(isTerminal: Bool, width: Int?, hasColour: Bool) {
    self.isTerminal = isTerminal
    self.width = width
    self.hasColour = hasColour
  }

  public static let plain = Terminal(isTerminal: false, width: nil, hasColour: false)

  /// - Parameter descriptor: 1 for stdout, 2 for stderr.
  /// `NO_COLOR` (of any value but the empty one) and `TERM=dumb` turn colours off.
  public static func of(
    _ descriptor: Int32, environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Terminal {
    guard isatty(descriptor) == 1 else { return .plain }
    var size = winsize()
    let known = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    let colourless = environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
    return Terminal(isTerminal: true, width: known ? Int(size.ws_col) : 80, hasColour: !colourless)
  }
}
