import GraphRewriting
import ONNXGraph

/// Values that hold the number of each position along one axis, as a Range does, however they came to lie so.
struct TokenPositions {
  let view: GraphView

  /// Which axis is numbered, and from what on.
  struct Numbering: Equatable {
    /// From the end: −1 is the last one.
    var axis: Int
    /// Of the first position; nil where only a run tells.
    var start: Double?
  }

  private static let depthLimit = 24

  /// - Returns: nil for all that is not known to be positions.
  func numbering(of value: String, depth: Int = 0) -> Numbering? {
    guard depth < Self.depthLimit else { return nil }
    if let tensor = view.index.constant(value) { return constant(tensor) }
    guard let node = view.producer(value), node.domain.isEmpty, let source = node.inputs.first else { return nil }
    func inner() -> Numbering? { numbering(of: source, depth: depth + 1) }
    switch node.opType {
    case "Range":
      guard node.inputs.count == 3, view.number(node.inputs[2]) == 1 else { return nil }
      return Numbering(axis: -1, start: view.number(source))
    // How exporters write a range before opset 11.
    case "NonZero": return view.shape(value)?.first == 1 ? Numbering(axis: -1, start: 0) : nil
    case "CumSum": return view.number(node.inputs.count > 1 ? node.inputs[1] : "").flatMap { counted(source, Int($0)) }
    case "Identity", "Cast", "Expand", "Tile", "Slice": return inner()
    case "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Flatten": return inner().flatMap { moved($0, node, value) }
    case "Add", "Sub": return shifted(node, depth)
    case "Gather": return taken(node, depth)
    default: return nil
    }
  }

  private func constant(_ tensor: Tensor) -> Numbering? {
    let long = tensor.dims.indices.filter { tensor.dims[$0] > 1 }
    guard let axis = long.first, long.count == 1,
      let numbers = tensor.int64Values()?.map(Double.init) ?? tensor.floatValues()?.map(Double.init),
      let first = numbers.first, numbers.indices.allSatisfy({ numbers[$0] == first + Double($0) })
    else { return nil }
    return Numbering(axis: axis - tensor.dims.count, start: first)
  }

  /// Sums over what is the same everywhere.
  private func counted(_ source: String, _ axis: Int) -> Numbering? {
    guard let rank = view.shape(source)?.count else { return nil }
    return Numbering(axis: axis < 0 ? axis : axis - rank, start: view.number(source))
  }

  /// A numbered axis after a node that only moves axes.
  private func moved(_ numbering: Numbering, _ node: Node, _ value: String) -> Numbering? {
    guard let from = view.shape(node.inputs[0]), let to = view.shape(value), from.count + numbering.axis >= 0 else {
      return nil
    }
    var table = AtomTable()
    let layout = AxisLayout.fresh(from, &table)
    let atoms = layout.axes[from.count + numbering.axis]
    let result: AxisLayout?
    if node.opType == "Transpose" {
      let order = node.ints("perm").map { $0.map { Int(clamping: $0) } } ?? Array((0..<from.count).reversed())
      result = Set(order) == Set(from.indices) ? layout.permuted(order) : nil
    } else {
      result = table.regrouped(layout, into: to)
    }
    guard let axis = result?.axes.firstIndex(of: table.resolved(atoms)) else { return nil }
    return Numbering(axis: axis - to.count, start: numbering.start)
  }

  /// Positions and one number more or less.
  private func shifted(_ node: Node, _ depth: Int) -> Numbering? {
    guard node.inputs.count == 2 else { return nil }
    let places = node.opType == "Add" ? [0, 1] : [0]
    for place in places {
      let other = node.inputs[1 - place]
      guard var numbering = numbering(of: node.inputs[place], depth: depth + 1), isOne(other, along: numbering.axis)
      else { continue }
      let number = view.number(other)
      numbering.start = numbering.start.flatMap { start in number.map { start + (node.opType == "Add" ? $0 : -$0) } }
      return numbering
    }
    return nil
  }

  private func isOne(_ value: String, along axis: Int) -> Bool {
    guard let shape = view.shape(value) else { return view.number(value) != nil }
    return shape.count + axis < 0 || shape[shape.count + axis]?.value == 1
  }

  /// Rows of a list of positions, taken by positions.
  private func taken(_ node: Node, _ depth: Int) -> Numbering? {
    guard node.inputs.count == 2, let list = numbering(of: node.inputs[0], depth: depth + 1), list.axis == -1,
      view.shape(node.inputs[0])?.count == 1
    else { return nil }
    return numbering(of: node.inputs[1], depth: depth + 1)
  }
}
