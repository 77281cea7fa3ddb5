import ONNXGraph

/// Brings a site's masks into the operator's two forms: keys that are hidden from everyone, and a bias on the scores.
struct MaskNodes {
  private let view: GraphView
  private let attention: Attention
  private let prefix: String
  private let fresh: (String) -> String
  private(set) var nodes: [NewNode] = []
  /// "" where there is none.
  private(set) var keyMask = ""
  private(set) var bias = ""

  /// Scores of this or less leave nothing of a key.
  private static let hidden = -9984.0
  private static let bool = ElementType.bool

  init(_ view: GraphView, _ attention: Attention, prefix: String, fresh: @escaping (String) -> String) {
    self.view = view
    self.attention = attention
    self.prefix = prefix
    self.fresh = fresh
    for mask in attention.masks { add(mask) }
  }

  private mutating func add(_ mask: Attention.Mask) {
    switch mask {
    case .keys(let value, let rank, let hides): add(keys: value, rank: rank, hides: hides)
    case .boolean(let value, let hides, let fill, let axes):
      if fill <= Self.hidden, let keys = keys(value, axes) {
        add(keyMask: keys, hides: hides)
      } else {
        let zero = scalar(0)
        let filled = scalar(fill)
        add(
          bias: scores(
            emit("Where", hides ? [value, filled, zero] : [value, zero, filled]), view.shape(value), axes))
      }
    case .additive(let value, let factor, let axes):
      if factor > 0, let (condition, hides) = condition(value), let keys = keys(condition, axes) {
        add(keyMask: keys, hides: hides)
      } else {
        let typed = cast(value)
        add(bias: scores(factor == 1 ? typed : emit("Mul", [typed, scalar(factor)]), view.shape(value), axes))
      }
    }
  }

  /// Keys of any integer type, not zero where they take part.
  private mutating func add(keys value: String, rank: Int, hides: Bool) {
    var keys = value
    if view.elementType(value) != Self.bool {
      keys = emit("Cast", [keys], attributes: ["to": .int(Int64(Self.bool.rawValue))])
    }
    add(keyMask: rank == 4 ? moved("Squeeze", keys, [1, 2]) : keys, hides: hides)
  }

  private mutating func add(keyMask value: String, hides: Bool) {
    let keys = hides ? emit("Not", [value]) : value
    keyMask = keyMask.isEmpty ? keys : emit("And", [keyMask, keys])
  }

  private mutating func add(bias value: String) { bias = bias.isEmpty ? value : emit("Add", [bias, value]) }

  /// The condition of a mask that is `Where(condition, 0, −∞)`, or the other way about.
  private func condition(_ value: String) -> (String, hides: Bool)? {
    var name = value
    for _ in 0..<4 {
      guard let node = view.producer(name), node.domain.isEmpty else { return nil }
      switch node.opType {
      case "Identity", "Cast": name = node.inputs.first ?? ""
      case "Where":
        guard node.inputs.count == 3, let yes = view.number(node.inputs[1]), let no = view.number(node.inputs[2])
        else { return nil }
        // The smallest numbers of the floating-point types stand for −∞.
        if yes == 0, no <= -65504 { return (node.inputs[0], false) }
        if no == 0, yes <= -65504 { return (node.inputs[0], true) }
        return nil
      default: return nil
      }
    }
    return nil
  }

  /// A boolean mask as [B or 1, Sk], where it is the same for all heads and queries.
  private mutating func keys(_ value: String, _ axes: ScoresAxes) -> String? {
    guard let shape = view.shape(value), view.elementType(value) == Self.bool, shape.last != 1, axes.batch.isEmpty
    else { return nil }
    let rank = axes.rank
    switch shape.count {
    case 1: return moved("Unsqueeze", value, [0])
    case 2 where shape[0] == 1: return value
    case 3 where rank == 4 && shape[0] == 1 && shape[1] == 1: return moved("Squeeze", value, [0])
    case 4 where shape[1] == 1 && shape[2] == 1: return moved("Squeeze", value, [1, 2])
    default: return nil
    }
  }

  /// A bias as the operator broadcasts it, to [B, H, Sq, Sk]: in three dimensions batch and heads are one axis, in five
  /// and more the batch is several.
  private mutating func scores(_ value: String, _ shape: [Dimension?]?, _ axes: ScoresAxes) -> String {
    guard let shape else { return value }
    if !axes.batch.isEmpty, shape.count > 3, let placement = MaskPlacement(shape, batch: axes.batch) {
      return placed(value, placement)
    }
    guard axes.rank == 3, shape.count == 3, shape[0] != 1 else { return value }
    if attention.heads == 1 { return moved("Unsqueeze", value, [1]) }
    return emit("Reshape", [moved("Unsqueeze", value, [0]), list([-1, Int64(attention.heads), 0, 0])])
  }

  private mutating func placed(_ value: String, _ placement: MaskPlacement) -> String {
    var value = value
    if placement.squeezed > 0 { value = moved("Squeeze", value, Array(0..<Int64(placement.squeezed))) }
    if let shape = placement.reshaped { value = emit("Reshape", [value, list(shape)]) }
    return placement.repeats > 1 ? emit("Tile", [value, list([placement.repeats, 1, 1, 1])]) : value
  }

  private mutating func cast(_ value: String) -> String {
    guard let wanted = attention.elementType, let type = view.elementType(value), type != wanted
    else { return value }
    return emit("Cast", [value], attributes: ["to": .int(Int64(wanted.rawValue))])
  }

  /// A constant of the query's type.
  private mutating func scalar(_ value: Double) -> String {
    let constant = constant(Tensor(name: "", dims: [], floats: [Float(value)]))
    guard let type = attention.elementType, type != .float32 else { return constant }
    return emit("Cast", [constant], attributes: ["to": .int(Int64(type.rawValue))])
  }

  private mutating func list(_ values: [Int64]) -> String { constant(Tensor(name: "", int64s: values)) }

  /// As a node, since functions have no initializers.
  private mutating func constant(_ tensor: Tensor) -> String {
    emit("Constant", [], attributes: ["value": .tensor(tensor)])
  }

  private mutating func moved(_ opType: String, _ value: String, _ axes: [Int64]) -> String {
    if (view.opsets[""] ?? 0) < 13 { return emit(opType, [value], attributes: ["axes": .ints(axes)]) }
    return emit(opType, [value, list(axes)])
  }

  private mutating func emit(
    _ opType: String, _ inputs: [String], attributes: [String: AttributeValue] = [:]
  ) -> String {
    let name = fresh("\(prefix).\(opType)")
    nodes.append(NewNode(opType, name: name, inputs: inputs, outputs: [name], attributes: attributes))
    return name
  }
}

extension Attention {
  /// True where its masks are a bias on the scores, which exact policies alone take.
  public func needsBias(in view: GraphView) -> Bool {
    !MaskNodes(view, self, prefix: "", fresh: { $0 }).bias.isEmpty
  }
}
