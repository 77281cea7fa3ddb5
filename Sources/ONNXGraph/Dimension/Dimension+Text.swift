extension Dimension: CustomStringConvertible {
  /// As exporters write `dim_param`: `frames*(height//2) + 4`.
  public var description: String {
    var text = ""
    for term in terms {
      let negative = term.coefficient < 0
      text += text.isEmpty ? (negative ? "-" : "") : (negative ? " - " : " + ")
      let magnitude = term.coefficient.magnitude
      let factors = term.factors.map(\.description).joined(separator: "*")
      text += magnitude == 1 ? factors : "\(magnitude)*\(factors)"
    }
    if terms.isEmpty { return String(constant) }
    if constant != 0 { text += constant < 0 ? " - \(constant.magnitude)" : " + \(constant)" }
    return text
  }

  /// Reads an expression.
  ///
  /// What is none (a name with odd characters, an unknown function) becomes one symbol as a whole, so that equal texts
  /// stay equal.
  public init(parsing text: String) {
    var parser = DimensionParser(text)
    self = parser.parse() ?? Dimension(symbol: text)
  }
}

extension Dimension.Atom: CustomStringConvertible {
  var description: String {
    switch self {
    case .symbol(let name): name
    case .unknown: "?"
    case .quotient(let a, let b): "(\(Self.operand(a))//\(Self.operand(b)))"
    case .max(let list): "Max(\(list.map(\.description).joined(separator: ", ")))"
    case .min(let list): "Min(\(list.map(\.description).joined(separator: ", ")))"
    }
  }

  private static func operand(_ dimension: Dimension) -> String {
    dimension.symbol ?? (dimension.value.flatMap { $0 >= 0 ? String($0) : nil }) ?? "(\(dimension))"
  }
}

/// Recursive descent over a `dim_param`; nil where it is no expression.
struct DimensionParser {
  private let text: [UInt8]
  private var at = 0
  private var depth = 0
  private static let depthLimit = 32
  private static let lengthLimit = 4096

  init(_ string: String) { text = Array(string.utf8) }

  mutating func parse() -> Dimension? {
    guard !text.isEmpty, text.count <= Self.lengthLimit, let result = sum(), result.isKnown else { return nil }
    skipSpaces()
    return at == text.count ? result : nil
  }

  private mutating func sum() -> Dimension? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit, var result = product() else { return nil }
    while true {
      if take("+") {
        guard let next = product() else { return nil }
        result = result + next
      } else if take("-") {
        guard let next = product() else { return nil }
        result = result - next
      } else {
        return result
      }
    }
  }

  private mutating func product() -> Dimension? {
    guard var result = factor() else { return nil }
    while true {
      if take("**") { return nil }
      if take("*") {
        guard let next = factor() else { return nil }
        result = result * next
      } else if take("//") || take("/") {
        guard let next = factor() else { return nil }
        result = result.floorDivided(by: next)
      } else if take("%") {
        guard let next = factor() else { return nil }
        result = result.modulo(next)
      } else {
        return result
      }
    }
  }

  private mutating func factor() -> Dimension? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { return nil }
    if take("-") { return factor().map { -$0 } }
    if take("+") { return factor() }
    guard let base = primary() else { return nil }
    guard take("**") else { return base }
    guard let exponent = factor()?.value, (0...8).contains(exponent) else { return nil }
    return (0..<exponent).reduce(Dimension(1)) { product, _ in product * base }
  }

  private mutating func primary() -> Dimension? {
    skipSpaces()
    guard at < text.count else { return nil }
    if take("(") {
      guard let inner = sum(), take(")") else { return nil }
      return inner
    }
    let start = at
    if isDigit(text[at]) {
      while at < text.count, isDigit(text[at]) { at += 1 }
      // "3d" and "1.5" are no integers.
      if at < text.count, isNameStart(text[at]) || text[at] == UInt8(ascii: ".") { return nil }
      return Int64(String(decoding: text[start..<at], as: UTF8.self)).map { Dimension($0) }
    }
    guard isNameStart(text[at]) else { return nil }
    while at < text.count, isNameStart(text[at]) || isDigit(text[at]) || text[at] == UInt8(ascii: ".") { at += 1 }
    let name = String(decoding: text[start..<at], as: UTF8.self)
    guard take("(") else { return Dimension(symbol: name) }
    var arguments: [Dimension] = []
    repeat {
      guard let argument = sum() else { return nil }
      arguments.append(argument)
    } while take(",")
    guard take(")") else { return nil }
    return Self.call(name, arguments)
  }

  private static func call(_ name: String, _ arguments: [Dimension]) -> Dimension? {
    switch (name.lowercased(), arguments.count) {
    case ("max", 1...): .max(arguments)
    case ("min", 1...): .min(arguments)
    case ("mod", 2), ("pythonmod", 2): arguments[0].modulo(arguments[1])
    case ("floordiv", 2), ("cleandiv", 2): arguments[0].floorDivided(by: arguments[1])
    case ("ceildiv", 2): arguments[0].ceilingDivided(by: arguments[1])
    // The quotient inside has been floored already.
    case ("floor", 1): arguments[0]
    default: nil
    }
  }

  private mutating func skipSpaces() {
    while at < text.count, text[at] == UInt8(ascii: " ") { at += 1 }
  }

  private mutating func take(_ token: StaticString) -> Bool {
    skipSpaces()
    let count = token.utf8CodeUnitCount
    guard at + count <= text.count else { return false }
    for index in 0..<count where token.utf8Start[index] != text[at + index] { return false }
    at += count
    return true
  }

  private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private func isNameStart(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || byte == UInt8(ascii: "_") || byte >= 0x80
  }
}
