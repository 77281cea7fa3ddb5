import Foundation

/// A JSON value whose keys keep the order they were given in, so that documents read and compare well.
public indirect enum JSONOutput: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONOutput])
  case object([(key: String, value: JSONOutput)])

  public static func == (a: JSONOutput, b: JSONOutput) -> Bool { a.text(indent: nil) == b.text(indent: nil) }

  /// A document's text: two spaces a level, small arrays of plain values on one line, a newline at the end. Numbers
  /// that JSON does not have (infinite, not a number) become null.
  public var document: String { text(indent: 0) + "\n" }

  /// On one line.
  public var compact: String { text(indent: nil) }

  private func text(indent: Int?) -> String {
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer(let value): return "\(value)"
    case .number(let value): return Self.text(of: value)
    case .string(let value): return Self.quoted(value)
    case .array(let values):
      let plain = values.allSatisfy(\.isPlain)
      return Self.enclosed("[", "]", indent: plain ? nil : indent, values.map { value in { value.text(indent: $0) } })
    case .object(let entries):
      return Self.enclosed(
        "{", "}", indent: indent,
        entries.map { entry in { Self.quoted(entry.key) + ": " + entry.value.text(indent: $0) } })
    }
  }

  private var isPlain: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }

  private static func enclosed(
    _ open: String, _ close: String, indent: Int?, _ parts: [(Int?) -> String]
  ) -> String {
    if parts.isEmpty { return open + close }
    guard let indent else { return open + parts.map { $0(nil) }.joined(separator: ", ") + close }
    let inner = String(repeating: "  ", count: indent + 1)
    let outer = String(repeating: "  ", count: indent)
    return open + "\n" + parts.map { inner + $0(indent + 1) }.joined(separator: ",\n") + "\n" + outer + close
  }

  /// The shortest digits that read back as the same float64.
  private static func text(of value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e15 { return "\(Int(value))" }
    return "\(value)"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F || scalar.value == 0x2028 || scalar.value == 0x2029:
        result +=
          "\\u" + String(repeating: "0", count: 4 - String(scalar.value, radix: 16).count)
          + String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension JSONOutput: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONOutput...) { self = .array(elements) }
  public init(nilLiteral: ()) { self = .null }
  /// Keys stay in the order they are written in.
  public init(dictionaryLiteral elements: (String, JSONOutput)...) {
    self = .object(elements.map { (key: $0.0, value: $0.1) })
  }

  /// null where there is no value.
  public init(_ value: String?) { self = value.map { .string($0) } ?? .null }
  public init(_ value: Int?) { self = value.map { .integer($0) } ?? .null }
  public init(_ value: Double?) { self = value.map { .number($0) } ?? .null }
}
