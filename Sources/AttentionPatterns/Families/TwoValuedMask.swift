import GraphRewriting
import ONNXGraph

/// A value that holds a number where a condition is true, or false, and zero elsewhere, whatever the condition says:
///
///     Where(c, 0, number) · Where(Cast(x), number, x) · (1 − Cast(c)) · number · Cast(c) · number
struct TwoValuedMask {
  let condition: String
  /// The number stands where the condition is true; else where it is false.
  let holdsNumber: Bool
  let number: Double

  /// - Returns: nil where this is not how the value is made.
  init?(_ value: String, _ view: GraphView) {
    var name = value
    for _ in 0..<6 {
      guard let node = view.producer(name), node.domain.isEmpty else { return nil }
      switch node.opType {
      // An expanded mask says the same of the axes that it had.
      case "Identity", "Cast", "Expand": name = node.inputs.first ?? ""
      case "Where":
        guard node.inputs.count == 3, let found = Self.chosen(node, view) else { return nil }
        self = found
        return
      case "Mul":
        guard node.inputs.count == 2, let found = Self.product(node, view) else { return nil }
        self = found
        return
      default: return nil
      }
    }
    return nil
  }

  private init(_ condition: String, holdsNumber: Bool, number: Double) {
    self.condition = condition
    self.holdsNumber = holdsNumber
    self.number = number
  }

  private static func chosen(_ node: Node, _ view: GraphView) -> TwoValuedMask? {
    let (yes, no) = (view.number(node.inputs[1]), view.number(node.inputs[2]))
    if let yes, let no {
      if yes == 0 { return .init(node.inputs[0], holdsNumber: false, number: no) }
      if no == 0 { return .init(node.inputs[0], holdsNumber: true, number: yes) }
    }
    // Where a value is not zero there is the number, elsewhere the value itself.
    if let yes, source(ofCondition: node.inputs[0], view) == node.inputs[2] {
      if let condition = oneLess(node.inputs[2], view) {
        return .init(condition, holdsNumber: false, number: yes)
      }
      return .init(node.inputs[0], holdsNumber: true, number: yes)
    }
    return nil
  }

  /// The booleans c of a value 1 − c.
  private static func oneLess(_ value: String, _ view: GraphView) -> String? {
    guard let difference = view.producer(value), difference.domain.isEmpty, difference.opType == "Sub",
      difference.inputs.count == 2, view.number(difference.inputs[0]) == 1
    else { return nil }
    return boolean(behind: difference.inputs[1], view)
  }

  /// What a condition was cast from.
  private static func source(ofCondition value: String, _ view: GraphView) -> String? {
    var name = value
    while let node = view.producer(name), node.domain.isEmpty, node.opType == "Cast", let input = node.inputs.first,
      view.elementType(name) == .bool
    {
      name = input
      if view.elementType(name) != .bool { return name }
    }
    return nil
  }

  private static func product(_ node: Node, _ view: GraphView) -> TwoValuedMask? {
    for place in [0, 1] {
      guard let number = view.number(node.inputs[1 - place]), number.isFinite else { continue }
      let factor = node.inputs[place]
      if let condition = boolean(behind: factor, view) {
        return .init(condition, holdsNumber: true, number: number)
      }
      if let condition = oneLess(factor, view) { return .init(condition, holdsNumber: false, number: number) }
    }
    return nil
  }

  /// The booleans that zeros and ones were cast from.
  private static func boolean(behind value: String, _ view: GraphView) -> String? {
    var name = value
    for _ in 0..<4 {
      if view.elementType(name) == .bool { return name }
      guard let node = view.producer(name), node.domain.isEmpty, ["Cast", "Identity", "Expand"].contains(node.opType),
        let source = node.inputs.first
      else { return nil }
      name = source
    }
    return nil
  }
}
