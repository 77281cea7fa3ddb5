extension Dimension {
  /// The names' values where these expressions have these lengths, as far as each follows from one equation at a time:
  /// `8*h` = 64 gives h = 8, and `h*w` = 48 gives w once h is known.
  ///
  /// - Returns: nil where the equations contradict each other, or a name would not be a length.
  public static func solve(_ equations: [(expression: Dimension, length: Int64)]) -> [String: Int64]? {
    var values: [String: Int64] = [:]
    var open = equations
    while true {
      var left: [(expression: Dimension, length: Int64)] = []
      var found = false
      for equation in open {
        let known = equation.expression.substituting(values.mapValues { Dimension($0) })
        if let number = known.value {
          guard number == equation.length else { return nil }
        } else if let (name, value) = known.solved(for: equation.length) {
          guard let value, value >= 0 else { return nil }
          values[name] = value
          found = true
        } else {
          left.append(equation)
        }
      }
      if left.isEmpty || !found { return values }
      open = left
    }
  }

  /// The one name of a·name + b = length; its value is nil where it is not whole. Nil for other forms.
  private func solved(for length: Int64) -> (name: String, value: Int64?)? {
    guard terms.count == 1, terms[0].factors.count == 1, case .symbol(let name) = terms[0].factors[0] else {
      return nil
    }
    let (rest, overflow) = length.subtractingReportingOverflow(constant)
    guard !overflow else { return (name, nil) }
    return (name, Dimension(rest).exactlyDivided(by: Dimension(terms[0].coefficient))?.value)
  }
}

extension Model {
  /// The values of the names in the inputs' shapes for concrete inputs.
  ///
  /// - Parameter shapes: by input name; inputs that are not given say nothing.
  /// - Returns: nil where a shape does not fit: another rank, another fixed length, or names that contradict.
  public func bindings(forInputs shapes: [String: [Int64]]) -> [String: Int64]? {
    var equations: [(expression: Dimension, length: Int64)] = []
    for input in graph.inputs {
      guard let declared = input.shape, let given = shapes[input.name] else { continue }
      guard declared.count == given.count else { return nil }
      for (expression, length) in zip(declared, given) {
        if let expression { equations.append((expression, length)) }
      }
    }
    return Dimension.solve(equations)
  }
}
