/// A length as an expression over the model's symbolic dimensions, in a normal form: equal expressions compare equal.
///
/// Printed and parsed as exporters write `dim_param`: `+ - * // % ( )`, integers and names, `Max(a, b)`.
///
/// The normal form is a polynomial with integer coefficients over atoms: names, floor quotients that do not come out
/// even, and maxima and minima that the operands alone do not decide. A remainder is a − b·⌊a / b⌋. Names stand for
/// lengths: integers that are not negative. An expression that overflows Int64 or grows beyond `termLimit` becomes
/// `unknown`, which nothing turns into a number again.
public struct Dimension: Hashable, Sendable {
  var constant: Int64
  /// Sorted; none is constant, no coefficient is zero.
  var terms: [Term]

  struct Term: Hashable, Sendable {
    var coefficient: Int64
    /// Sorted, with repetition for powers.
    var factors: [Atom]
  }

  indirect enum Atom: Hashable, Sendable {
    case symbol(String)
    case quotient(Dimension, Dimension)
    case max([Dimension])
    case min([Dimension])
    case unknown
  }

  static let termLimit = 64
  static let factorLimit = 16
  /// Quotients and extrema hold expressions of their own, which a graph can make twice as large with every node.
  static let sizeLimit = 512

  /// Terms and atoms at all depths.
  var size: Int {
    terms.reduce(1) { sum, term in
      term.factors.reduce(sum) { sum, atom in
        switch atom {
        case .symbol, .unknown: sum + 1
        case .quotient(let a, let b): sum + a.size + b.size
        case .max(let list), .min(let list): list.reduce(sum + 1) { $0 + $1.size }
        }
      }
    }
  }

  /// An atom as a dimension; unknown where it is too large.
  static func bounded(_ atom: Atom) -> Dimension {
    let dimension = Dimension(atom: atom)
    return dimension.size <= sizeLimit ? dimension : .unknown
  }

  public init(_ value: Int64) {
    constant = value
    terms = []
  }

  public init(_ value: Int) { self.init(Int64(value)) }

  /// A name, taken as it is.
  public init(symbol: String) { self.init(atom: .symbol(symbol)) }

  init(atom: Atom) {
    constant = 0
    terms = [Term(coefficient: 1, factors: [atom])]
  }

  init(constant: Int64, terms: [Term]) {
    self.constant = constant
    self.terms = terms
  }

  /// What overflowed or grew too large.
  public static let unknown = Dimension(atom: .unknown)

  public var isKnown: Bool {
    terms.allSatisfy { term in
      term.factors.allSatisfy { atom in
        switch atom {
        case .unknown: false
        case .symbol: true
        case .quotient(let a, let b): a.isKnown && b.isKnown
        case .max(let list), .min(let list): list.allSatisfy(\.isKnown)
        }
      }
    }
  }

  /// The number, where it is one.
  public var value: Int64? { terms.isEmpty ? constant : nil }

  public var isConstant: Bool { terms.isEmpty }

  /// The name, where it is one and no more.
  public var symbol: String? {
    guard constant == 0, terms.count == 1, terms[0].coefficient == 1, terms[0].factors.count == 1,
      case .symbol(let name) = terms[0].factors[0]
    else { return nil }
    return name
  }

  /// The names in it.
  public var symbols: Set<String> {
    var names: Set<String> = []
    collectSymbols(into: &names)
    return names
  }

  private func collectSymbols(into names: inout Set<String>) {
    for term in terms {
      for atom in term.factors {
        switch atom {
        case .symbol(let name): names.insert(name)
        case .unknown: break
        case .quotient(let a, let b):
          a.collectSymbols(into: &names)
          b.collectSymbols(into: &names)
        case .max(let list), .min(let list): for item in list { item.collectSymbols(into: &names) }
        }
      }
    }
  }

  /// True where it cannot be negative, since names are lengths.
  public var isNonNegative: Bool {
    constant >= 0 && terms.allSatisfy { $0.coefficient > 0 && $0.factors.allSatisfy(Self.isNonNegative) }
  }

  private static func isNonNegative(_ atom: Atom) -> Bool {
    switch atom {
    case .symbol: true
    case .unknown: false
    case .quotient(let a, let b): a.isNonNegative && b.isNonNegative
    case .max(let list): list.contains(where: \.isNonNegative)
    case .min(let list): list.allSatisfy(\.isNonNegative)
    }
  }

  /// The value with every name bound.
  ///
  /// - Returns: nil where a name is not bound, a divisor is zero, or a step overflows.
  public func evaluate(_ bindings: [String: Int64]) -> Int64? {
    var sum = constant
    for term in terms {
      var product = term.coefficient
      for atom in term.factors {
        guard let factor = Self.evaluate(atom, bindings) else { return nil }
        let (result, overflow) = product.multipliedReportingOverflow(by: factor)
        if overflow { return nil }
        product = result
      }
      let (result, overflow) = sum.addingReportingOverflow(product)
      if overflow { return nil }
      sum = result
    }
    return sum
  }

  private static func evaluate(_ atom: Atom, _ bindings: [String: Int64]) -> Int64? {
    switch atom {
    case .unknown: return nil
    case .symbol(let name): return bindings[name]
    case .quotient(let a, let b):
      guard let a = a.evaluate(bindings), let b = b.evaluate(bindings) else { return nil }
      return floorQuotient(a, b)
    case .max(let list):
      let values = list.compactMap { $0.evaluate(bindings) }
      return values.count == list.count ? values.max() : nil
    case .min(let list):
      let values = list.compactMap { $0.evaluate(bindings) }
      return values.count == list.count ? values.min() : nil
    }
  }

  /// Puts expressions in the place of names.
  public func substituting(_ bindings: [String: Dimension]) -> Dimension {
    if terms.isEmpty || bindings.isEmpty { return self }
    var sum = Dimension(constant)
    for term in terms {
      var product = Dimension(term.coefficient)
      for atom in term.factors {
        switch atom {
        case .symbol(let name): product = product * (bindings[name] ?? Dimension(atom: atom))
        case .unknown: return .unknown
        case .quotient(let a, let b):
          product = product * a.substituting(bindings).floorDivided(by: b.substituting(bindings))
        case .max(let list): product = product * .max(list.map { $0.substituting(bindings) })
        case .min(let list): product = product * .min(list.map { $0.substituting(bindings) })
        }
      }
      sum = sum + product
    }
    return sum
  }
}

/// ⌊a / b⌋; nil for a zero divisor and for the one quotient that overflows.
func floorQuotient(_ a: Int64, _ b: Int64) -> Int64? {
  let (quotient, overflow) = a.dividedReportingOverflow(by: b)
  if overflow { return nil }
  let remainder = a.remainderReportingOverflow(dividingBy: b).partialValue
  return remainder != 0 && (remainder < 0) != (b < 0) ? quotient - 1 : quotient
}

extension Dimension: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int64) { self.init(value) }
}
