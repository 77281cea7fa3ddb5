import ONNXGraph

/// Matches patterns upstream from a value, and remembers where the longest attempt stopped.
public struct Matcher: Sendable {
  public let index: GraphIndex
  /// Folds a value to one number, where it is the same in every run.
  private let number: @Sendable (String) -> Double?
  public private(set) var nearMiss: NearMiss?

  public init(_ index: GraphIndex, number: @escaping @Sendable (String) -> Double?) {
    self.index = index
    self.number = number
  }

  /// - Returns: what was bound, or nil; then `nearMiss` says where the longest attempt stopped.
  public mutating func match(_ pattern: Pattern, at value: String) -> Match? {
    match(pattern, value, Match())
  }

  private mutating func match(_ pattern: Pattern, _ value: String, _ bound: Match) -> Match? {
    var match = bound
    switch pattern {
    case .value(let name):
      guard !value.isEmpty else { return miss(value, "value", bound) }
      if let earlier = match.values[name], earlier != value { return miss(value, "the value \(earlier) again", bound) }
      match.values[name] = value
      return match
    case .number(let name):
      guard let folded = number(value) else { return miss(value, "constant number", bound) }
      match.numbers[name] = folded
      match.values[name] = value
      return match
    case .alternatives(let group, let alternatives):
      for alternative in alternatives {
        if var found = self.match(alternative.pattern, value, bound) {
          found.tags[group] = found.tags[group] ?? alternative.tag
          return found
        }
      }
      return nil
    case .node(let ops, let inputs, let commutative, let captured):
      guard let node = index.producer(of: value), ops.contains(Pattern.Operator(node.opType, domain: domain(node))),
        node.inputs.count >= inputs.count
      else { return miss(value, ops.map(\.description).joined(separator: " or "), bound) }
      match.used.append(node)
      if let captured { match.nodes[captured] = node }
      if let found = self.match(inputs, node.inputs, match) { return found }
      guard commutative, inputs.count == 2 else { return nil }
      return self.match(inputs, [node.inputs[1], node.inputs[0]], match)
    }
  }

  private mutating func match(_ patterns: [Pattern], _ values: [String], _ bound: Match) -> Match? {
    var match = bound
    for (pattern, value) in zip(patterns, values) {
      guard let next = self.match(pattern, value, match) else { return nil }
      match = next
    }
    return match
  }

  private func domain(_ node: Node) -> String { node.domain == "ai.onnx" ? "" : node.domain }

  private mutating func miss(_ value: String, _ expected: String, _ bound: Match) -> Match? {
    if nearMiss == nil || bound.used.count > nearMiss?.depth ?? -1 {
      let found =
        index.producer(of: value).map { "\($0.opType) \($0.name)" }
        ?? (index.isInput(value) ? "a graph input" : value.isEmpty ? "nothing" : "a constant")
      nearMiss = NearMiss(depth: bound.used.count, value: value, expected: expected, found: found)
    }
    return nil
  }
}
