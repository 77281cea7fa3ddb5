/// A length as an adapter writes it, over the names of the model's dimensions: integers, names, `+ - * / %` and
/// brackets, such as `F*(H/8)*(W/8)`. A division has to come out even: a size that does not fit the model is an
/// error, not a guess.
public indirect enum AxisExpression: Equatable, Sendable {
  case integer(Int)
  case name(String)
  case binary(Operator, AxisExpression, AxisExpression)

  public enum Operator: Character, Sendable, CaseIterable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case remainder = "%"

    var binds: Int { self == .add || self == .subtract ? 1 : 2 }
  }

  public enum Failure: Error, Equatable, Sendable {
    case syntax(String, at: Int)
    case unknownName(String)
    case notEven(dividend: Int, divisor: Int, AxisExpression)
    case overflow(AxisExpression)

    public var message: String {
      switch self {
      case .syntax(let text, let position):
        "'\(text)' is not an expression of names, whole numbers, + - * / % and brackets (character \(position + 1))"
      case .unknownName(let name): "the dimension \(name) is not bound"
      case .notEven(let dividend, let divisor, let expression):
        "\(dividend) is not a multiple of \(divisor), as \(expression) needs"
      case .overflow(let expression): "\(expression) is out of range"
      }
    }
  }

  /// Names that the expression depends on.
  public var names: Set<String> {
    switch self {
    case .integer: []
    case .name(let name): [name]
    case .binary(_, let left, let right): left.names.union(right.names)
    }
  }

  public func value(_ dimensions: [String: Int]) throws(Failure) -> Int {
    switch self {
    case .integer(let value): return value
    case .name(let name):
      guard let value = dimensions[name] else { throw .unknownName(name) }
      return value
    case .binary(let op, let left, let right):
      let a = try left.value(dimensions)
      let b = try right.value(dimensions)
      let (value, overflow) =
        switch op {
        case .add: a.addingReportingOverflow(b)
        case .subtract: a.subtractingReportingOverflow(b)
        case .multiply: a.multipliedReportingOverflow(by: b)
        case .divide: a.dividedReportingOverflow(by: b)
        case .remainder: a.remainderReportingOverflow(dividingBy: b)
        }
      if overflow { throw .overflow(self) }
      if op == .divide, value * b != a { throw .notEven(dividend: a, divisor: b, self) }
      return value
    }
  }

  /// The expression with each name replaced, as text; `division` is the sign for `/` (`//` in a graph's `dim_param`).
  public func text(division: String = "/", _ replacement: (String) -> String = { $0 }) -> String {
    switch self {
    case .integer(let value): return value < 0 ? "(\(value))" : "\(value)"
    case .name(let name): return replacement(name)
    case .binary(let op, let left, let right):
      let sign = op == .divide ? division : String(op.rawValue)
      return left.operand(of: op, onRight: false, division, replacement) + sign
        + right.operand(of: op, onRight: true, division, replacement)
    }
  }

  private func operand(
    of parent: Operator, onRight: Bool, _ division: String, _ replacement: (String) -> String
  ) -> String {
    let text = text(division: division, replacement)
    // Brackets around every product under a product keep a division where it was written.
    if case .binary(let op, _, _) = self,
      op.binds < parent.binds || op.binds == parent.binds && (onRight || op != parent)
    {
      return "(\(text))"
    }
    return text
  }
}

extension AxisExpression: CustomStringConvertible {
  public var description: String { text() }
}

extension AxisExpression {
  static let maximumLength = 256

  public init(parsing text: String) throws(Failure) {
    var parser = Parser(text: text, characters: Array(text))
    guard parser.characters.count <= Self.maximumLength else { throw .syntax(text, at: Self.maximumLength) }
    let expression = try parser.sum(depth: 0)
    guard parser.next == nil else { throw parser.failure }
    self = expression
  }

  private struct Parser {
    let text: String
    let characters: [Character]
    var position = 0

    var failure: Failure { .syntax(text, at: position) }

    var next: Character? {
      mutating get {
        while position < characters.count, characters[position] == " " { position += 1 }
        return position < characters.count ? characters[position] : nil
      }
    }

    mutating func chain(
      _ binds: Int, depth: Int, _ operand: (inout Parser, Int) throws(Failure) -> AxisExpression
    ) throws(Failure) -> AxisExpression {
      var left = try operand(&self, depth)
      while let sign = next, let op = Operator(rawValue: sign), op.binds == binds {
        position += 1
        left = .binary(op, left, try operand(&self, depth))
      }
      return left
    }

    mutating func sum(depth: Int) throws(Failure) -> AxisExpression {
      try chain(1, depth: depth) { (parser, depth) throws(Failure) in try parser.product(depth: depth) }
    }

    mutating func product(depth: Int) throws(Failure) -> AxisExpression {
      try chain(2, depth: depth) { (parser, depth) throws(Failure) in try parser.atom(depth: depth) }
    }

    mutating func atom(depth: Int) throws(Failure) -> AxisExpression {
      guard depth < 32, let first = next else { throw failure }
      if first == "(" {
        position += 1
        let inner = try sum(depth: depth + 1)
        guard next == ")" else { throw failure }
        position += 1
        return inner
      }
      let start = position
      while position < characters.count, characters[position].isWord { position += 1 }
      let word = String(characters[start..<position])
      guard let head = word.first else { throw failure }
      if !head.isNumber { return .name(word) }
      guard let value = Int(word) else {
        position = start
        throw failure
      }
      return .integer(value)
    }
  }
}

extension Character {
  fileprivate var isWord: Bool { isASCII && (isLetter || isNumber || self == "_") }
}
