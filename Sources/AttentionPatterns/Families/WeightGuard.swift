import GraphRewriting
import ONNXGraph

/// What puts numbers in the place of weights, between the softmax and the second product.
///
/// Weights are between zero and one, or NaN in the rows that have no key. So a question for infinite or negative ones is
/// never answered yes, and one for NaN means those rows.
struct WeightGuard {
  enum Meaning: Equatable {
    /// It never does anything.
    case nothing
    /// Rows without any key are zero.
    case zeroEmptyRows
    /// The weights of scores that this condition hides are zero.
    case zeroWhere(condition: String, isTrue: Bool)
    case notUnderstood
  }

  let view: GraphView
  /// Values that hold the weights.
  let weights: Set<String>
  /// Nodes that only ask.
  private(set) var nodes: [Node] = []

  init(_ view: GraphView, weights: Set<String>) {
    self.view = view
    self.weights = weights
  }

  /// - Parameter chosenIfTrue: the number is taken where the condition is true; else the weights are.
  mutating func meaning(of condition: String, number: Double, chosenIfTrue: Bool) -> Meaning {
    if chosenIfTrue {
      let known = nodes
      if isNever(condition) { return .nothing }
      nodes = known
      if asksForNaN(condition) { return number == 0 ? .zeroEmptyRows : .notUnderstood }
      nodes = known
    }
    guard number == 0 else { return .notUnderstood }
    let root = Self.root(of: condition, view)
    return .zeroWhere(condition: root.value, isTrue: chosenIfTrue != root.isInverted)
  }

  /// A condition before it was cast, expanded or inverted.
  static func root(of condition: String, _ view: GraphView) -> (value: String, isInverted: Bool) {
    var (value, isInverted) = (condition, false)
    for _ in 0..<8 {
      guard let node = view.producer(value), node.domain.isEmpty, let source = node.inputs.first,
        view.elementType(source) == .bool, ["Cast", "Identity", "Expand", "Not"].contains(node.opType)
      else { break }
      isInverted = isInverted != (node.opType == "Not")
      value = source
    }
    return (value, isInverted)
  }

  private mutating func node(_ value: String) -> Node? {
    guard let node = view.producer(value), node.domain.isEmpty else { return nil }
    nodes.append(node)
    return node
  }

  private mutating func isWeights(_ value: String) -> Bool {
    var name = value
    for _ in 0..<4 {
      if weights.contains(name) { return true }
      guard let node = view.producer(name), node.domain.isEmpty, node.opType == "Cast", let source = node.inputs.first
      else { return false }
      nodes.append(node)
      name = source
    }
    return false
  }

  private mutating func isNever(_ condition: String, depth: Int = 0) -> Bool {
    guard depth < 6, let node = node(condition), let first = node.inputs.first else { return false }
    let second = node.inputs.count > 1 ? node.inputs[1] : ""
    switch node.opType {
    case "Cast", "Identity": return isNever(first, depth: depth + 1)
    case "IsInf": return isWeights(first)
    case "And":
      let sides = [isNever(first, depth: depth + 1), isNever(second, depth: depth + 1)]
      return sides.contains(true)
    case "Or": return isNever(first, depth: depth + 1) && isNever(second, depth: depth + 1)
    case "Less": return isWeights(first) && view.number(second).map { $0 <= 0 } ?? false
    case "Greater": return isWeights(first) && view.number(second).map { $0 >= 2 } ?? false
    case "Equal":
      return isWeights(first) && view.number(second).map { $0.isInfinite } ?? false
    default: return false
    }
  }

  private mutating func asksForNaN(_ condition: String, depth: Int = 0) -> Bool {
    guard depth < 6, let node = node(condition), let first = node.inputs.first else { return false }
    switch node.opType {
    case "Cast", "Identity": return asksForNaN(first, depth: depth + 1)
    case "IsNaN": return isWeights(first)
    case "Or":
      guard node.inputs.count == 2 else { return false }
      let second = node.inputs[1]
      return asksForNaN(first, depth: depth + 1)
        ? isNever(second) || asksForNaN(second, depth: depth + 1) : isNever(first) && asksForNaN(second, depth: depth + 1)
    default: return false
    }
  }
}
