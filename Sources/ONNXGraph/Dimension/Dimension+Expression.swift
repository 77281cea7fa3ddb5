extension Dimension {
  /// A length as a tree, for whoever has to compute it.
  public indirect enum Expression: Hashable, Sendable {
    case number(Int64)
    case symbol(String)
    case sum([Expression])
    case product([Expression])
    /// ⌊a / b⌋.
    case quotient(Expression, Expression)
    case max([Expression])
    case min([Expression])
  }

  /// Nil for `unknown`.
  public var expression: Expression? {
    guard isKnown else { return nil }
    var parts = terms.map { term in
      let factors = term.factors.map(Self.expression)
      if term.coefficient == 1 { return factors.count == 1 ? factors[0] : Expression.product(factors) }
      return .product([.number(term.coefficient)] + factors)
    }
    if constant != 0 || parts.isEmpty { parts.append(.number(constant)) }
    return parts.count == 1 ? parts[0] : .sum(parts)
  }

  private static func expression(_ atom: Atom) -> Expression {
    switch atom {
    case .symbol(let name): .symbol(name)
    case .quotient(let a, let b): .quotient(a.expression ?? .number(0), b.expression ?? .number(1))
    case .max(let list): .max(list.compactMap(\.expression))
    case .min(let list): .min(list.compactMap(\.expression))
    case .unknown: .number(0)
    }
  }

  /// For an expression a·name + b: the three, so that the name's value can be found from the expression's.
  public var affine: (factor: Int64, name: String, offset: Int64)? {
    guard terms.count == 1, terms[0].factors.count == 1, case .symbol(let name) = terms[0].factors[0] else {
      return nil
    }
    return (terms[0].coefficient, name, constant)
  }
}
