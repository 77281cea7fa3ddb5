/// How a text stands out where colours may be used.
public enum TextStyle: String, Sendable, CaseIterable {
  case plain = ""
  case bold = "1"
  case dim = "2"
  case good = "32"
  case warning = "33"
  case bad = "31"

  public func apply(to text: String, on terminal: Terminal) -> String {
    terminal.hasColour && self != .plain ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
  }
}
