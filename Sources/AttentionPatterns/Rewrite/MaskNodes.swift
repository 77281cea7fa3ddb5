import ONNXGraph

/// The nodes that make a mask plan's two tensors: which keys take part, and the bias on the scores.
struct MaskNodes {
  private let view: GraphView
  private let attention: Attention
  private let plan: MaskPlan
  private let prefix: String
  private let fresh: (String) -> String
  private(set) var nodes: [NewNode] = []
  /// "" where there is none.
  private(set) var keyMask = ""
  private(set) var bias = ""

  private static let bool = ElementType.bool

  init(
    _ view: GraphView, _ attention: Attention, _ plan: MaskPlan, prefix: String, fresh: @escaping (String) -> String
  ) {
    self.view = view
    self.attention = attention
    self.plan = plan
    self.prefix = prefix
    self.fresh = fresh
    for condition in plan.keys {
      let keys = condition.hides ? emit("Not", [self.keys(condition)]) : self.keys(condition)
      keyMask = keyMask.isEmpty ? keys : emit("And", [keyMask, keys])
    }
    for part in plan.bias {
      let value = self.value(of: part)
      bias = bias.isEmpty ? value : emit("Add", [bias, value])
    }
    for condition in plan.replacements.reversed() {
      bias = hidden(condition, plan.replacingBias ?? 0, elsewhere: bias.isEmpty ? scalar(0) : bias)
    }
  }

  private mutating func value(of part: MaskPlan.Bias) -> String {
    switch part {
    case .hidden(let condition, let number): return hidden(condition, number, elsewhere: scalar(0))
    case .value(let value, let factor, let axes, let lowestHides):
      var typed = value
      if lowestHides, let type = view.elementType(value) {
        let isLowest = emit("LessOrEqual", [value, scalar(Self.lowest(of: type), type)])
        typed = emit("Where", [isLowest, scalar(-.infinity, type), value])
      }
      if factor != 1 { typed = emit("Mul", [typed, scalar(Float(factor), view.elementType(value))]) }
      return scores(cast(typed, from: view.elementType(value)), view.shape(value), axes)
    }
  }

  private mutating func hidden(_ condition: Attention.Condition, _ number: Float, elsewhere: String) -> String {
    let (place, filled) = (self.place(condition), scalar(number))
    return emit("Where", condition.hides ? [place, filled, elsewhere] : [place, elsewhere, filled])
  }

  // MARK: Conditions

  /// A condition as [B or 1, Sk].
  private mutating func keys(_ condition: Attention.Condition) -> String {
    let value = condition.value
    switch condition.form {
    case .keys(let rank):
      switch rank {
      case 1: return moved("Unsqueeze", value, [0])
      case 3: return moved("Squeeze", value, [0])
      case 4: return moved("Squeeze", value, [1, 2])
      default: return value
      }
    case .positiveKeys: return positive(value)
    case .lengths(let source, let axis, let starts): return within(value, source, axis, starts)
    case .scores, .positiveRows: return value
    }
  }

  /// A condition as it broadcasts to [B, H, Sq, Sk].
  private mutating func place(_ condition: Attention.Condition) -> String {
    switch condition.form {
    case .keys: return condition.value
    case .scores(let axes): return scores(condition.value, view.shape(condition.value), axes)
    case .positiveRows: return moved("Unsqueeze", positive(condition.value), [1])
    case .positiveKeys, .lengths: return moved("Unsqueeze", keys(condition), [1, 2])
    }
  }

  private mutating func positive(_ value: String) -> String {
    let type = view.elementType(value) ?? .int32
    let zero = constant(Tensor(name: "", dims: [], int64s: [0]))
    return emit("Greater", [value, emit("Cast", [zero], attributes: ["to": .int(Int64(type.rawValue))])])
  }

  /// Positions before the ends, and from the starts on, that stand behind the ends.
  private mutating func within(_ value: String, _ source: String, _ axis: Int, _ starts: Bool) -> String {
    let number = { (self: inout MaskNodes, x: Int64) in self.constant(Tensor(name: "", dims: [], int64s: [x])) }
    let length = emit("Gather", [emit("Shape", [source]), number(&self, Int64(axis))])
    let positions = emit("Range", [number(&self, 0), length, number(&self, 1)])
    let lengths = emit("Cast", [value], attributes: ["to": .int(Int64(ElementType.int64.rawValue))])
    guard starts else { return emit("Less", [positions, moved("Unsqueeze", lengths, [1])]) }
    let pairs = emit("Reshape", [lengths, list([2, -1])])
    let part = { (self: inout MaskNodes, i: Int64) in
      self.moved("Unsqueeze", self.emit("Gather", [pairs, number(&self, i)]), [1])
    }
    let before = emit("Less", [positions, part(&self, 0)])
    return emit("And", [before, emit("Not", [emit("Less", [positions, part(&self, 1)])])])
  }

  // MARK: Axes and types

  /// A bias or condition as the operator broadcasts it, to [B, H, Sq, Sk]: in three dimensions batch and heads are one
  /// axis, in five and more the batch is several.
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

  /// A value as the query's type; what float16 does not hold becomes its lowest number, but for −∞.
  private mutating func cast(_ value: String, from type: ElementType?) -> String {
    guard let wanted = attention.elementType, let type, type != wanted else { return value }
    var value = value
    if wanted == .float16, type == .float32 || type == .float64, (view.opsets[""] ?? 0) >= 10 {
      let bounded = emit("Max", [value, scalar(MaskPlan.lowestHalf, type)])
      value = emit("Where", [emit("IsInf", [value]), value, bounded])
    }
    return emit("Cast", [value], attributes: ["to": .int(Int64(wanted.rawValue))])
  }

  private static func lowest(of type: ElementType) -> Float {
    switch type {
    case .float16: MaskPlan.lowestHalf
    case .bfloat16: -Float(bitPattern: 0x7f7f_0000)
    default: -Float.greatestFiniteMagnitude
    }
  }

  /// A constant, of the query's type where none is given.
  private mutating func scalar(_ value: Float, _ type: ElementType? = nil) -> String {
    let type = type ?? attention.elementType ?? .float32
    let bounded = value == -.infinity ? value : max(value, Self.lowest(of: type))
    let constant = constant(Tensor(name: "", dims: [], floats: [bounded]))
    return type == .float32 ? constant : emit("Cast", [constant], attributes: ["to": .int(Int64(type.rawValue))])
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
