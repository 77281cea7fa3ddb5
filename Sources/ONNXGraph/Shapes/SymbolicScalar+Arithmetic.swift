import Glibc

/// What operators do to one element.
extension SymbolicScalar {
  static let unary: [String: @Sendable (SymbolicScalar) -> SymbolicScalar] = [
    "Neg": { value in
      switch value {
      case .integer(let a): .integer(-a)
      case .real(let a): .real(-a)
      case .quotient(let a, let b): .quotient(-a, b)
      case .unknown: .unknown
      }
    },
    "Abs": { value in
      if case .integer(let a) = value {
        if a.isNonNegative { return value }
        if (-a).isNonNegative { return .integer(-a) }
        return .unknown
      }
      return real(value) { Swift.abs($0) }
    },
    "Sqrt": { real($0) { $0.squareRoot() } },
    "Reciprocal": { value in
      if case .integer(let a) = value, a.value == nil { return .quotient(1, a) }
      return real(value) { 1 / $0 }
    },
    "Exp": { real($0) { exp($0) } },
    "Log": { real($0) { log($0) } },
    "Sign": { real($0) { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 } },
    "Floor": { whole($0, .down) },
    "Ceil": { whole($0, .up) },
    "Round": { whole($0, .toNearestOrEven) },
    "Not": { value in SymbolicScalar(value.truth.map { !$0 }) },
  ]

  /// The last argument: whether the element type is a floating-point one.
  static let binary: [String: @Sendable (SymbolicScalar, SymbolicScalar, Bool) -> SymbolicScalar] = [
    "Add": { add($0, $1, $2) },
    "Sub": { a, b, isFloat in
      if let x = a.exactInteger, let y = b.exactInteger { return .integer(x - y) }
      return real(a, b, isFloat) { $0 - $1 }
    },
    "Mul": { multiply($0, $1, $2) },
    "Div": { divide($0, $1, $2) },
    "Mod": { a, b, isFloat in
      if let x = a.integer, let y = b.integer, !isFloat || (x.isNonNegative && y.isPositive) {
        return SymbolicScalar(x.modulo(y))
      }
      return .unknown
    },
    "Pow": { a, b, isFloat in
      if let x = a.exactInteger, let n = b.integer?.value, (0...4).contains(n) {
        return .integer((0..<n).reduce(Dimension(1)) { product, _ in product * x })
      }
      return real(a, b, isFloat) { pow($0, $1) }
    },
    "Max": { maximum($0, $1, $2) },
    "Min": { minimum($0, $1, $2) },
    "Equal": { a, b, _ in SymbolicScalar(compare(a, b).map { $0 == 0 } ?? (differ(a, b) ? false : nil)) },
    "Less": { a, b, _ in SymbolicScalar(compare(a, b).map { $0 < 0 }) },
    "LessOrEqual": { a, b, _ in SymbolicScalar(compare(a, b).map { $0 <= 0 } ?? atMost(a, b)) },
    "Greater": { a, b, _ in SymbolicScalar(compare(a, b).map { $0 > 0 }) },
    "GreaterOrEqual": { a, b, _ in SymbolicScalar(compare(a, b).map { $0 >= 0 } ?? atMost(b, a)) },
    "And": { a, b, _ in
      if a.truth == false || b.truth == false { return .integer(0) }
      return a.truth == true && b.truth == true ? .integer(1) : .unknown
    },
    "Or": { a, b, _ in
      if a.truth == true || b.truth == true { return .integer(1) }
      return a.truth == false && b.truth == false ? .integer(0) : .unknown
    },
    "Xor": { a, b, _ in
      guard let x = a.truth, let y = b.truth else { return .unknown }
      return SymbolicScalar(x != y)
    },
  ]

  /// Without reals that happen to be whole.
  private var exactInteger: Dimension? {
    if case .integer(let value) = self, value.isKnown { value } else { nil }
  }

  private static func real(_ value: SymbolicScalar, _ function: (Double) -> Double) -> SymbolicScalar {
    value.number.map { .real(function($0)) } ?? .unknown
  }

  private static func real(
    _ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool, _ function: (Double, Double) -> Double
  ) -> SymbolicScalar {
    guard isFloat, let x = a.number, let y = b.number else { return .unknown }
    return .real(function(x, y))
  }

  static func add(_ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool) -> SymbolicScalar {
    if let x = a.exactInteger, let y = b.exactInteger { return .integer(x + y) }
    return real(a, b, isFloat) { $0 + $1 }
  }

  static func multiply(_ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool) -> SymbolicScalar {
    switch (a, b) {
    case (.integer(let x), .integer(let y)): return .integer(x * y)
    case (.quotient(let x, let y), .integer(let z)), (.integer(let z), .quotient(let x, let y)):
      return simplified(x * z, y)
    case (.integer(let x), .real(let y)) where x.value == nil, (.real(let y), .integer(let x)) where x.value == nil:
      // A factor such as 0.5 is a divisor of 2.
      if let whole = Int64(exactly: y) { return .integer(x * Dimension(whole)) }
      if let divisor = Int64(exactly: 1 / y), divisor != 0 { return simplified(x, Dimension(divisor)) }
      return .unknown
    default: return real(a, b, isFloat) { $0 * $1 }
    }
  }

  static func divide(_ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool) -> SymbolicScalar {
    if isFloat {
      if let x = a.number, let y = b.number { return .real(x / y) }
      guard let x = a.integer, let y = b.integer else { return .unknown }
      return simplified(x, y)
    }
    guard let x = a.integer, let y = b.integer, y.value != 0 else { return .unknown }
    // Integers are cut towards zero; names are lengths, so that a sum without minus signs is floored.
    if let p = x.value, let q = y.value {
      let (quotient, overflow) = p.dividedReportingOverflow(by: q)
      return overflow ? .unknown : .integer(Dimension(quotient))
    }
    if (-x).isNonNegative, y.isNonNegative { return SymbolicScalar(-(-x).floorDivided(by: y)) }
    if let exact = x.exactlyDivided(by: y) { return .integer(exact) }
    return y.isNonNegative ? SymbolicScalar(x.floorDivided(by: y)) : .unknown
  }

  private static func simplified(_ a: Dimension, _ b: Dimension) -> SymbolicScalar {
    guard a.isKnown, b.isKnown else { return .unknown }
    if let exact = a.exactlyDivided(by: b) { return .integer(exact) }
    return .quotient(a, b)
  }

  static func maximum(_ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool) -> SymbolicScalar {
    if let x = a.integer, let y = b.integer { return SymbolicScalar(Dimension.max([x, y])) }
    return real(a, b, isFloat) { Swift.max($0, $1) }
  }

  static func minimum(_ a: SymbolicScalar, _ b: SymbolicScalar, _ isFloat: Bool) -> SymbolicScalar {
    if let x = a.integer, let y = b.integer { return SymbolicScalar(Dimension.min([x, y])) }
    return real(a, b, isFloat) { Swift.min($0, $1) }
  }

  private static func whole(_ value: SymbolicScalar, _ rule: FloatingPointRoundingRule) -> SymbolicScalar {
    switch (value, rule) {
    case (.integer, _): return value
    case (.quotient(let a, let b), .down): return SymbolicScalar(a.floorDivided(by: b))
    case (.quotient(let a, let b), .up): return SymbolicScalar(a.ceilingDivided(by: b))
    default: return real(value) { $0.rounded(rule) }
    }
  }

  /// The sign of a − b where it is sure.
  private static func compare(_ a: SymbolicScalar, _ b: SymbolicScalar) -> Int? {
    if let x = a.number, let y = b.number { return x < y ? -1 : x > y ? 1 : x == y ? 0 : nil }
    guard let x = a.integer, let y = b.integer else { return nil }
    let difference = x - y
    if let number = difference.value { return Int(number.signum()) }
    if difference.isPositive { return 1 }
    return (-difference).isPositive ? -1 : nil
  }

  private static func differ(_ a: SymbolicScalar, _ b: SymbolicScalar) -> Bool {
    compare(a, b).map { $0 != 0 } ?? false
  }

  private static func atMost(_ a: SymbolicScalar, _ b: SymbolicScalar) -> Bool? {
    guard let x = a.integer, let y = b.integer, (y - x).isNonNegative else { return nil }
    return true
  }

  func cast(to type: Int32) -> SymbolicScalar {
    guard let target = ElementType(rawValue: type) else { return .unknown }
    if target == .bool { return SymbolicScalar(truth) }
    if target.isFloatingPoint { return self }
    guard target.isInteger else { return .unknown }
    switch self {
    case .integer: return self
    case .real(let value): return Int64(exactly: value.rounded(.towardZero)).map { .integer(Dimension($0)) } ?? .unknown
    case .quotient(let a, let b):
      return a.isNonNegative && b.isNonNegative ? SymbolicScalar(a.floorDivided(by: b)) : .unknown
    case .unknown: return .unknown
    }
  }

  /// Numbers that are not whole as the element type holds them.
  func rounded(to type: Int32) -> SymbolicScalar {
    guard case .real(let value) = self, type == ElementType.float32.rawValue else { return self }
    return .real(Double(Float(value)))
  }
}
