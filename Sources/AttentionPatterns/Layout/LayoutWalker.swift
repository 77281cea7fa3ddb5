import GraphRewriting
import ONNXGraph

/// Follows a value through the nodes that only move data or multiply by a number, upstream to where it comes from or
/// downstream to where it is used.
struct LayoutWalker {
  let view: GraphView
  /// Takes a value before and after quantisation for the same, to see what is behind.
  var throughQuantisation = false

  /// A value that holds the same data, laid out so, once multiplied by `scale`.
  struct Stage: Sendable {
    var value: String
    var layout: AxisLayout
    var scale: Double
    /// What the core has and this value does not: along these it repeats.
    var repeated: [Atom] = []
    /// The node that leads from here to the stage before; nil at the first.
    var node: Node?
  }

  private static let stepLimit = 32

  /// The value itself, then what it is made from, as far as it goes.
  func upstream(from value: String, layout: AxisLayout, table: inout AtomTable) -> [Stage] {
    var stages = [Stage(value: value, layout: layout, scale: 1, node: nil)]
    while stages.count < Self.stepLimit, let last = stages.last, let next = upstream(last, &table) {
      stages.append(next)
    }
    return stages
  }

  private func upstream(_ stage: Stage, _ table: inout AtomTable) -> Stage? {
    guard let node = view.producer(stage.value), node.domain.isEmpty, let source = node.inputs.first,
      node.outputs.first == stage.value
    else { return nil }
    var next = Stage(
      value: source, layout: stage.layout, scale: stage.scale, repeated: stage.repeated, node: node)
    switch node.opType {
    case "Identity": break
    case "DynamicQuantizeLinear" where throughQuantisation: break
    case "Cast":
      // To the same type, or to a wider one: the value is the same.
      guard let from = view.elementType(source), let to = view.elementType(stage.value),
        from == to || to == .float32 && (from == .float16 || from == .bfloat16)
      else { return nil }
    case "Transpose":
      let rank = stage.layout.axes.count
      guard let order = permutation(node, rank: rank) else { return nil }
      var inverse = order
      for (position, axis) in order.enumerated() { inverse[axis] = position }
      next.layout = stage.layout.permuted(inverse)
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
      guard let shape = view.shape(source), let layout = table.regrouped(stage.layout, into: shape) else { return nil }
      next.layout = layout
    case "Expand", "Tile":
      guard let shape = view.shape(source), let repeated = view.shape(stage.value),
        unrepeat(&next, from: shape, to: repeated)
      else { return nil }
    case "Mul", "Div":
      guard node.inputs.count == 2 else { return nil }
      let constant: Double?
      if let number = view.number(node.inputs[1]) {
        constant = number
      } else if node.opType == "Mul", let number = view.number(node.inputs[0]) {
        constant = number
        next.value = node.inputs[1]
      } else {
        constant = nil
      }
      guard let constant, constant.isFinite, constant != 0, view.shape(next.value)?.count == stage.layout.axes.count
      else { return nil }
      next.scale *= node.opType == "Mul" ? constant : 1 / constant
    default: return nil
    }
    return next
  }

  /// Takes from a stage what a node repeats, as keys of grouped heads are for each query head.
  private func unrepeat(_ stage: inout Stage, from source: [Dimension?], to target: [Dimension?]) -> Bool {
    let added = target.count - source.count
    guard added >= 0, target.count == stage.layout.axes.count else { return false }
    for (axis, length) in target.enumerated() {
      let own = axis < added ? 1 : source[axis - added]
      guard let own, let length else { return false }
      if own == length { continue }
      guard own == 1 else { return false }
      stage.repeated += stage.layout.axes[axis]
      stage.layout.axes[axis] = []
    }
    stage.layout.axes.removeFirst(added)
    return true
  }

  /// The value itself, then what is made from it and nothing else is.
  func downstream(from value: String, layout: AxisLayout, table: inout AtomTable) -> [Stage] {
    var stages = [Stage(value: value, layout: layout, scale: 1, node: nil)]
    while stages.count < Self.stepLimit, let last = stages.last, let next = downstream(last, &table) {
      stages.append(next)
    }
    return stages
  }

  private func downstream(_ stage: Stage, _ table: inout AtomTable) -> Stage? {
    guard let node = view.onlyConsumer(stage.value), node.domain.isEmpty, node.inputs.first == stage.value,
      let output = node.outputs.first
    else { return nil }
    var next = Stage(value: output, layout: stage.layout, scale: 1, node: node)
    switch node.opType {
    case "Identity": break
    case "Cast":
      guard let type = view.elementType(stage.value), type == view.elementType(output) else { return nil }
    case "Transpose":
      guard let order = permutation(node, rank: stage.layout.axes.count) else { return nil }
      next.layout = stage.layout.permuted(order)
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
      guard let shape = view.shape(output), let layout = table.regrouped(stage.layout, into: shape) else { return nil }
      next.layout = layout
    default: return nil
    }
    return next
  }

  private func permutation(_ node: Node, rank: Int) -> [Int]? {
    let order = node.ints("perm").map { $0.map { Int(clamping: $0) } } ?? Array((0..<rank).reversed())
    return order.count == rank && Set(order) == Set(0..<rank) ? order : nil
  }
}
