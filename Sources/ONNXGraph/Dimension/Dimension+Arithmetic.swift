extension Dimension {
  public static func + (a: Dimension, b: Dimension) -> Dimension {
    let (constant, overflow) = a.constant.addingReportingOverflow(b.constant)
    if overflow { return .unknown }
    if a.terms.isEmpty { return Dimension(constant: constant, terms: b.terms) }
    if b.terms.isEmpty { return Dimension(constant: constant, terms: a.terms) }
    guard let terms = merged(a.terms, b.terms) else { return .unknown }
    let sum = Dimension(constant: constant, terms: terms)
    return sum.size <= sizeLimit ? sum : .unknown
  }

  public static prefix func - (a: Dimension) -> Dimension { a * Dimension(-1) }

  public static func - (a: Dimension, b: Dimension) -> Dimension { a + -b }

  public static func * (a: Dimension, b: Dimension) -> Dimension {
    if b.terms.isEmpty { return a.scaled(by: b.constant) }
    if a.terms.isEmpty { return b.scaled(by: a.constant) }
    guard (a.terms.count + 1) * (b.terms.count + 1) <= termLimit * 4 else { return .unknown }
    var sum = a.scaled(by: b.constant)
    for term in b.terms {
      var terms: [Term] = []
      for other in a.terms {
        let (coefficient, overflow) = term.coefficient.multipliedReportingOverflow(by: other.coefficient)
        guard !overflow, term.factors.count + other.factors.count <= factorLimit else { return .unknown }
        terms.append(
          Term(coefficient: coefficient, factors: (term.factors + other.factors).sorted(by: precedes)))
      }
      if a.constant != 0 {
        let (coefficient, overflow) = term.coefficient.multipliedReportingOverflow(by: a.constant)
        if overflow { return .unknown }
        terms.append(Term(coefficient: coefficient, factors: term.factors))
      }
      terms.sort { precedes($0.factors, $1.factors) }
      sum = sum + Dimension(constant: 0, terms: terms)
    }
    return sum.terms.count <= termLimit && sum.size <= sizeLimit ? sum : .unknown
  }

  private func scaled(by factor: Int64) -> Dimension {
    if factor == 0 { return isKnown ? Dimension(0) : .unknown }
    if factor == 1 { return self }
    let (constant, overflow) = constant.multipliedReportingOverflow(by: factor)
    if overflow { return .unknown }
    var result = Dimension(constant: constant, terms: terms)
    for index in result.terms.indices {
      let (coefficient, overflow) = result.terms[index].coefficient.multipliedReportingOverflow(by: factor)
      if overflow { return .unknown }
      result.terms[index].coefficient = coefficient
    }
    return result
  }

  /// Sums two sorted lists of terms; nil where a coefficient overflows or they become too many.
  private static func merged(_ a: [Term], _ b: [Term]) -> [Term]? {
    var result: [Term] = []
    result.reserveCapacity(a.count + b.count)
    var i = 0
    var j = 0
    while i < a.count || j < b.count {
      if j == b.count || (i < a.count && precedes(a[i].factors, b[j].factors)) {
        result.append(a[i])
        i += 1
      } else if i == a.count || precedes(b[j].factors, a[i].factors) {
        result.append(b[j])
        j += 1
      } else {
        let (sum, overflow) = a[i].coefficient.addingReportingOverflow(b[j].coefficient)
        if overflow { return nil }
        if sum != 0 { result.append(Term(coefficient: sum, factors: a[i].factors)) }
        i += 1
        j += 1
      }
    }
    return result.count <= termLimit ? result : nil
  }

  /// The quotient where it comes out even for all values of the names.
  public func exactlyDivided(by divisor: Dimension) -> Dimension? {
    guard isKnown, divisor.isKnown else { return nil }
    if let number = divisor.value {
      guard number != 0, let constant = Self.exactQuotient(constant, number) else { return nil }
      var result = Dimension(constant: constant, terms: terms)
      for index in terms.indices {
        guard let quotient = Self.exactQuotient(terms[index].coefficient, number) else { return nil }
        result.terms[index].coefficient = quotient
      }
      return result
    }
    // Long division by the divisor's leading term; the order is not a monomial order for every list of atoms, so the
    // number of steps is bounded and the product is checked.
    guard let lead = divisor.terms.max(by: { Self.leads($1, $0) }) else { return nil }
    var rest = self
    var quotient = Dimension(0)
    for _ in 0..<Self.termLimit {
      if rest == Dimension(0) { return quotient * divisor == self ? quotient : nil }
      guard let top = rest.terms.max(by: { Self.leads($1, $0) }), let part = Self.quotient(of: top, by: lead)
      else { return nil }
      quotient = quotient + part
      rest = rest - part * divisor
      guard rest.isKnown else { return nil }
    }
    return nil
  }

  private static func exactQuotient(_ a: Int64, _ b: Int64) -> Int64? {
    let (quotient, overflow) = a.dividedReportingOverflow(by: b)
    return !overflow && a.remainderReportingOverflow(dividingBy: b).partialValue == 0 ? quotient : nil
  }

  /// By degree, then as sorted.
  private static func leads(_ a: Term, _ b: Term) -> Bool {
    a.factors.count != b.factors.count ? a.factors.count > b.factors.count : precedes(a.factors, b.factors)
  }

  private static func quotient(of term: Term, by divisor: Term) -> Dimension? {
    guard let coefficient = exactQuotient(term.coefficient, divisor.coefficient) else { return nil }
    var factors = term.factors
    for atom in divisor.factors {
      guard let index = factors.firstIndex(of: atom) else { return nil }
      factors.remove(at: index)
    }
    return factors.isEmpty
      ? Dimension(coefficient) : Dimension(constant: 0, terms: [Term(coefficient: coefficient, factors: factors)])
  }

  /// ⌊self / divisor⌋, as `//` in Python.
  public func floorDivided(by divisor: Dimension) -> Dimension {
    guard isKnown, divisor.isKnown else { return .unknown }
    if let exact = exactlyDivided(by: divisor) { return exact }
    guard let number = divisor.value else {
      return .bounded(.quotient(self, divisor))
    }
    guard number != 0 else { return .unknown }
    if terms.isEmpty { return floorQuotient(constant, number).map { Dimension($0) } ?? .unknown }
    // Normal form has positive divisors: ⌊a / −b⌋ = ⌊−a / b⌋.
    if number < 0 {
      guard number != .min else { return .unknown }
      return (-self).floorDivided(by: Dimension(-number))
    }
    // What the divisor divides goes out of the floor: ⌊(d·q + r) / d⌋ = q + ⌊r / d⌋.
    guard let constantPart = floorQuotient(constant, number) else { return .unknown }
    var outside = Dimension(constant: constantPart, terms: [])
    var inside = Dimension(constant: constant - constantPart * number, terms: [])
    for term in terms {
      guard let whole = floorQuotient(term.coefficient, number) else { return .unknown }
      let left = term.coefficient - whole * number
      if whole != 0 { outside.terms.append(Term(coefficient: whole, factors: term.factors)) }
      if left != 0 { inside.terms.append(Term(coefficient: left, factors: term.factors)) }
    }
    if let rest = inside.value { return outside + Dimension(floorQuotient(rest, number) ?? 0) }
    // ⌊⌊a / b⌋ / c⌋ = ⌊a / (b·c)⌋ for positive numbers b and c.
    if inside.constant == 0, inside.terms.count == 1, inside.terms[0].coefficient == 1,
      inside.terms[0].factors.count == 1, case .quotient(let a, let b) = inside.terms[0].factors[0],
      let inner = b.value, inner > 0
    {
      let (product, overflow) = inner.multipliedReportingOverflow(by: number)
      if !overflow { return outside + a.floorDivided(by: Dimension(product)) }
    }
    // A common factor of all coefficients and the divisor goes: ⌊(g·a) / (g·d)⌋ = ⌊a / d⌋.
    let common = inside.terms.reduce(Self.gcd(number, inside.constant)) { Self.gcd($0, $1.coefficient) }
    if common > 1, let reduced = inside.exactlyDivided(by: Dimension(common)) {
      return outside + reduced.floorDivided(by: Dimension(number / common))
    }
    return outside + .bounded(.quotient(inside, Dimension(number)))
  }

  private static func gcd(_ a: Int64, _ b: Int64) -> Int64 {
    var (a, b) = (a.magnitude, b.magnitude)
    while b != 0 { (a, b) = (b, a % b) }
    return a > UInt64(Int64.max) ? 1 : Int64(a)
  }

  /// ⌈self / divisor⌉.
  public func ceilingDivided(by divisor: Dimension) -> Dimension { -(-self).floorDivided(by: divisor) }

  /// self − divisor·⌊self / divisor⌋, as `%` in Python.
  public func modulo(_ divisor: Dimension) -> Dimension {
    self - divisor * floorDivided(by: divisor)
  }

  public static func max(_ list: [Dimension]) -> Dimension { extremum(list, largest: true) }
  public static func min(_ list: [Dimension]) -> Dimension { extremum(list, largest: false) }

  private static func extremum(_ list: [Dimension], largest: Bool) -> Dimension {
    guard !list.isEmpty, list.count <= termLimit, list.allSatisfy(\.isKnown) else { return .unknown }
    var kept: [Dimension] = []
    for candidate in list.flatMap({ $0.operands(largest: largest) }) {
      // Two whose difference has a sure sign need only one.
      if kept.contains(where: { largest ? ($0 - candidate).isNonNegative : (candidate - $0).isNonNegative }) {
        continue
      }
      kept.removeAll { largest ? (candidate - $0).isNonNegative : ($0 - candidate).isNonNegative }
      kept.append(candidate)
    }
    if kept.count == 1 { return kept[0] }
    let sorted = kept.sorted { $0.description < $1.description }
    return .bounded(largest ? .max(sorted) : .min(sorted))
  }

  /// True where it cannot exceed the other one whatever the names are.
  public func isAtMost(_ other: Dimension) -> Bool {
    if (other - self).isNonNegative { return true }
    let list = operands(largest: false)
    return list.count > 1 && list.contains { (other - $0).isNonNegative }
  }

  /// The operands of a maximum (minimum) that stands alone; else itself.
  private func operands(largest: Bool) -> [Dimension] {
    guard constant == 0, terms.count == 1, terms[0].coefficient == 1, terms[0].factors.count == 1 else { return [self] }
    switch (terms[0].factors[0], largest) {
    case (.max(let list), true), (.min(let list), false): return list
    default: return [self]
    }
  }

  // MARK: Order

  static func precedes(_ a: [Atom], _ b: [Atom]) -> Bool {
    for (x, y) in zip(a, b) where x != y { return precedes(x, y) }
    return a.count < b.count
  }

  static func precedes(_ a: Atom, _ b: Atom) -> Bool {
    if case .symbol(let x) = a, case .symbol(let y) = b { return x < y }
    return a.rank != b.rank ? a.rank < b.rank : a.description < b.description
  }
}

extension Dimension.Atom {
  var rank: Int {
    switch self {
    case .symbol: 0
    case .quotient: 1
    case .max: 2
    case .min: 3
    case .unknown: 4
    }
  }
}
