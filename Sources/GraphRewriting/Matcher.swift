import ONNXGraph

/// Matches patterns upstream from a value, and remembers where the longest attempt stopped.
///
/// Attempts are tried in the pattern's order with backtracking; `budget` bounds them, so that a hostile graph costs no
/// more than a large one.
public struct Matcher: Sendable {
  public let index: GraphIndex
  /// Folds a value to one number, where it is the same in every run.
  private let number: @Sendable (String) -> Double?
  private let isConstant: @Sendable (String) -> Bool
  public private(set) var nearMiss: NearMiss?
  private var budget = 0

  private static let chainLimit = 12
  private static let budgetLimit = 4096

  /// - Parameters:
  ///   - number: what a value is, where it is one number in every run.
  ///   - isConstant: whether a value is the same in every run.
  public init(
    _ index: GraphIndex, number: @escaping @Sendable (String) -> Double?,
    isConstant: @escaping @Sendable (String) -> Bool
  ) {
    self.index = index
    self.number = number
    self.isConstant = isConstant
  }

  /// - Returns: what was bound, or nil; then `nearMiss` says where the longest attempt stopped.
  public mutating func match(_ pattern: Pattern, at value: String) -> Match? {
    nearMiss = nil
    budget = Self.budgetLimit
    return match(pattern, value, State(match: Match(), rests: []))
  }

  private struct State {
    var match: Match
    /// What `.rest` stands for, innermost chain last.
    var rests: [Rest]
  }

  private struct Rest {
    var group: String
    var steps: [Pattern.Alternative]
    var end: Pattern
    var depth: Int
  }

  private mutating func match(_ pattern: Pattern, _ value: String, _ state: State) -> Match? {
    budget -= 1
    guard budget > 0 else { return nil }
    var match = state.match
    switch pattern {
    case .absent:
      return value.isEmpty ? match : miss(value, "no input", state)
    case .value(let name):
      guard !value.isEmpty else { return miss(value, "a value", state) }
      if let earlier = match.values[name], earlier != value { return miss(value, "the value \(earlier)", state) }
      match.values[name] = value
      return match
    case .number(let name):
      guard let folded = number(value) else { return miss(value, "a constant number", state) }
      match.numbers[name] = folded
      match.values[name] = value
      return match
    case .weight(let name), .activation(let name):
      let isWeight = if case .weight = pattern { true } else { false }
      guard !value.isEmpty, isConstant(value) == isWeight else {
        return miss(value, isWeight ? "a weight" : "what depends on the inputs", state)
      }
      match.values[name] = value
      return match
    case .alternatives(let group, let alternatives):
      for alternative in alternatives {
        if var found = self.match(alternative.pattern, value, state) {
          found.tags[group] = found.tags[group] ?? alternative.tag
          return found
        }
      }
      return nil
    case .chain(let group, let steps, let end):
      return chain(Rest(group: group, steps: steps, end: end, depth: 0), value, state)
    case .rest:
      guard let rest = state.rests.last else { return nil }
      var outer = state
      outer.rests.removeLast()
      return chain(rest, value, outer)
    case .node(let ops, let inputs, let commutative, let capture):
      guard let node = index.producer(of: value), ops.contains(Pattern.Operator(of: node)), node.outputs.first == value
      else { return miss(value, ops.map(\.description).joined(separator: " or "), state) }
      var next = state
      next.match.used.append(node)
      if let capture { next.match.nodes[capture] = node }
      if let found = self.match(inputs[...], node.inputs, next) { return found }
      guard commutative, inputs.count == 2, node.inputs.count == 2 else { return nil }
      return self.match(inputs[...], [node.inputs[1], node.inputs[0]], next)
    }
  }

  /// The end, or one step around the rest.
  private mutating func chain(_ rest: Rest, _ value: String, _ state: State) -> Match? {
    if let found = match(rest.end, value, state) { return found }
    guard rest.depth < Self.chainLimit else { return nil }
    var inner = rest
    inner.depth += 1
    for step in rest.steps {
      // A step's captures are its own: they are taken out of the match, and those of before are put back.
      var attempt = state
      attempt.match.values = [:]
      attempt.match.numbers = [:]
      attempt.match.nodes = [:]
      attempt.rests.append(inner)
      guard let found = match(step.pattern, value, attempt) else { continue }
      let own = captures(of: step.pattern)
      var result = found
      result.values = found.values.filter { !own.contains($0.key) }
        .merging(state.match.values) { inner, _ in inner }
      result.numbers = found.numbers.filter { !own.contains($0.key) }
        .merging(state.match.numbers) { inner, _ in inner }
      result.nodes = found.nodes.filter { !own.contains($0.key) }
        .merging(state.match.nodes) { inner, _ in inner }
      result.steps[rest.group, default: []].insert(
        Match.Step(
          tag: step.tag, node: index.producer(of: value), values: found.values.filter { own.contains($0.key) },
          numbers: found.numbers.filter { own.contains($0.key) }, nodes: found.nodes.filter { own.contains($0.key) }),
        at: 0)
      return result
    }
    return nil
  }

  /// Names that a pattern captures itself, outside of `.rest`.
  private func captures(of pattern: Pattern) -> Set<String> {
    switch pattern {
    case .value(let name), .number(let name), .weight(let name), .activation(let name): [name]
    case .rest, .absent: []
    case .alternatives(_, let list): list.reduce(into: []) { $0.formUnion(captures(of: $1.pattern)) }
    case .chain(_, let steps, let end):
      steps.reduce(into: captures(of: end)) { $0.formUnion(captures(of: $1.pattern)) }
    case .node(_, let inputs, _, let capture):
      inputs.reduce(into: Set(capture.map { [$0] } ?? [])) { $0.formUnion(captures(of: $1)) }
    }
  }

  private mutating func match(_ patterns: ArraySlice<Pattern>, _ values: [String], _ state: State) -> Match? {
    var state = state
    for (position, pattern) in patterns.enumerated() {
      guard let next = match(pattern, position < values.count ? values[position] : "", state) else { return nil }
      state.match = next
    }
    return state.match
  }

  private mutating func miss(_ value: String, _ expected: String, _ state: State) -> Match? {
    if nearMiss.map({ state.match.used.count > $0.depth }) ?? true {
      let found =
        index.producer(of: value).map { "\($0.opType) \($0.label)" }
        ?? (index.isInput(value) ? "a graph input" : value.isEmpty ? "nothing" : "a constant")
      nearMiss = NearMiss(trail: state.match.used, value: value, expected: [expected], found: found)
    } else if let best = nearMiss, best.value == value, best.depth == state.match.used.count {
      if !best.expected.contains(expected) { nearMiss?.expected.append(expected) }
    }
    return nil
  }
}
