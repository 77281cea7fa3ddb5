import GraphRewriting
import ONNXGraph

/// What an axis of a node's output holds, from what its inputs' axes hold.
struct AxisRules {
  let view: GraphView
  let node: Node
  let key: (value: String, axis: Int)
  let get: (String, Int) -> AxisContent
  let regrouping: () -> Regrouping?

  private static let firstInputOnly: Set<String> = [
    "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "GroupNormalization", "GroupNorm",
    "InstanceNormalization", "BatchNormalization", "RotaryEmbedding", "Dropout", "Softmax", "LogSoftmax", "Cast",
    "CastLike", "Identity", "Clip", "Trilu", "FastGelu", "Gelu", "BiasGelu", "QuickGelu", "LpNormalization", "CumSum",
    "DynamicQuantizeLinear", "DequantizeLinear", "QuantizeLinear", "LeakyRelu", "Elu", "HardSigmoid", "Selu", "PRelu",
    "Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Log", "Neg", "Abs", "Sqrt", "Reciprocal", "Sin", "Cos", "Floor", "Ceil",
    "Round", "Sign", "Not", "IsNaN", "IsInf", "Softplus", "Mish", "HardSwish", "Swish",
  ]
  private static let elementwise: Set<String> = [
    "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Mod", "Where", "And", "Or", "Equal", "Greater", "Less",
    "GreaterOrEqual", "LessOrEqual", "Sum", "Mean", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
    "SkipGroupNorm",
  ]

  /// - Returns: nil where nothing is known.
  func content() -> AxisContent? {
    let type = node.opType
    if Self.firstInputOnly.contains(type) { return same([node.inputs.first ?? ""]) }
    if Self.elementwise.contains(type) { return same(node.inputs) }
    if type.hasPrefix("Reduce") || type == "ArgMax" || type == "ArgMin" { return reduction() }
    switch type {
    case "Transpose":
      guard let rank = rank(key.value) else { return nil }
      let order = node.ints("perm").map { $0.map { Int(clamping: $0) } } ?? Array((0..<rank).reversed())
      return order.indices.contains(key.axis) ? get(input(0), order[key.axis]) : nil
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "DepthToSpace", "SpaceToDepth": return regrouped()
    case "MatMul", "FusedMatMul", "MatMulInteger", "Gemm": return product()
    case "Concat": return concatenation()
    case "Slice": return slice()
    case "Split":
      guard let axis = axis(node.int("axis") ?? 0), axis == key.axis else { return get(input(0), key.axis) }
      return split(axis)
    case "Gather": return gather()
    case "GatherND": return gatherElements()
    case "Expand", "Tile": return same([input(0)])
    case "Pad":
      return lengthOf(input(0), key.axis) == lengthOf(key.value, key.axis)
        ? get(input(0), key.axis) : get(input(0), key.axis).mixed(lengthOf(key.value, key.axis))
    case "Conv", "ConvTranspose", "NhwcConv", "MaxPool", "AveragePool", "Resize", "Upsample": return convolution()
    case "ScatterND": return scatter()
    case "ScatterElements", "GatherElements": return same([input(0)])
    case "Attention", "MultiHeadAttention", "GroupQueryAttention", "InContextSparseAttention":
      return get(input(0), key.axis)
    case "Einsum": return einsum()
    default: return carried()
    }
  }

  // MARK: Helpers

  private func input(_ position: Int) -> String { position < node.inputs.count ? node.inputs[position] : "" }
  private func rank(_ value: String) -> Int? { view.shape(value)?.count }
  private func lengthOf(_ value: String, _ axis: Int) -> Dimension? {
    view.shape(value).flatMap { $0.indices.contains(axis) ? $0[axis] : nil }
  }
  private func axis(_ axis: Int64) -> Int? {
    guard let rank = rank(key.value) else { return axis >= 0 ? Int(clamping: axis) : nil }
    return Int(clamping: axis < 0 ? axis + Int64(rank) : axis)
  }

  /// Inputs that are broadcast together: the one that has the axis, and knows most of it.
  private func same(_ inputs: [String]) -> AxisContent? {
    guard let rank = rank(key.value) else { return inputs.first.map { get($0, key.axis) } }
    let length = lengthOf(key.value, key.axis)
    var best: AxisContent?
    for value in inputs where !value.isEmpty && !view.isConstant(value) {
      guard let theirs = self.rank(value) else { continue }
      let axis = key.axis - (rank - theirs)
      guard axis >= 0 else { continue }
      if lengthOf(value, axis)?.value == 1, length?.value != 1 { continue }
      let content = get(value, axis)
      guard let known = best else {
        best = content
        continue
      }
      if known.origins.isEmpty, !content.origins.isEmpty || content.pieces.count > known.pieces.count {
        best = content
      } else if !content.origins.isEmpty, content.pieces.count > known.pieces.count {
        best = content
      }
    }
    return best
  }

  private func regrouped() -> AxisContent? {
    guard let map = regrouping() else { return spread() }
    guard map.axes.indices.contains(key.axis) else { return nil }
    let parts = map.axes[key.axis].map { place in
      let whole = get(input(0), place.axis)
      let lengths = map.parts[place.axis]
      return lengths.count == 1 ? whole : whole.split(into: lengths)[place.part]
    }
    return parts.isEmpty ? .opaque(1) : .merged(parts)
  }

  /// A reshape whose axes cannot be told apart, as where an exporter fixed a length on one side alone: axes that agree
  /// from either end stay, and each axis between may hold what any of them does.
  private func spread() -> AxisContent? {
    guard let from = view.shape(input(0)), let to = view.shape(key.value), to.indices.contains(key.axis) else {
      return nil
    }
    let shorter = min(from.count, to.count)
    let start = (0..<shorter).first { from[$0] == nil || from[$0] != to[$0] } ?? shorter
    let end =
      (0..<shorter - start).first {
        from[from.count - 1 - $0] == nil || from[from.count - 1 - $0] != to[to.count - 1 - $0]
      }
      ?? shorter - start
    if key.axis < start { return get(input(0), key.axis) }
    if key.axis >= to.count - end { return get(input(0), key.axis - to.count + from.count) }
    let pieces = (start..<from.count - end).map { get(input(0), $0) }.filter { !$0.origins.isEmpty }
    let origins = pieces.reduce(into: Set<AxisOrigin>()) { $0.formUnion($1.origins) }
    return AxisContent(
      pieces: [
        AxisPiece(
          factors: [AxisFactor(length: to[key.axis], origins: origins)],
          isMixed: pieces.contains { $0.pieces.count > 1 || $0.pieces.contains(where: \.isMixed) })
      ])
  }

  private func product() -> AxisContent? {
    guard let rank = rank(key.value) else { return nil }
    if key.axis == rank - 1 {
      guard let theirs = self.rank(input(1)) else { return nil }
      let isTransposed = node.int("transB") ?? 0 != 0
      return get(input(1), isTransposed ? theirs - 2 : theirs - 1)
    }
    if key.axis == rank - 2 {
      guard let theirs = self.rank(input(0)) else { return nil }
      let isTransposed = node.int("transA") ?? 0 != 0
      return get(input(0), isTransposed ? theirs - 1 : theirs - 2)
    }
    return same(node.inputs)
  }

  private func concatenation() -> AxisContent? {
    guard let axis = axis(node.int("axis") ?? 0) else { return nil }
    guard axis == key.axis else { return same(node.inputs) }
    // What pads by nothing is nothing.
    let parts = node.inputs.filter { lengthOf($0, axis)?.value != 0 }
    return AxisContent(pieces: parts.flatMap { get($0, axis).pieces })
  }

  private func slice() -> AxisContent? {
    let whole = get(input(0), key.axis)
    guard let rank = rank(input(0)) else { return nil }
    func list(_ name: String, _ position: Int) -> [Dimension?]? {
      node.ints(name).map { $0.map { Dimension($0) } }
        ?? (position < node.inputs.count ? view.shapes.integers(of: input(position)) : nil)
    }
    guard let starts = list("starts", 1), let ends = list("ends", 2) else {
      // Bounds that are not known: all may be in it.
      return whole.pieces.count > 1 ? whole.mixed(lengthOf(key.value, key.axis)) : whole
    }
    let axes = list("axes", 3) ?? starts.indices.map { Dimension($0) }
    let steps = list("steps", 4)
    for (position, axis) in axes.enumerated() {
      guard let number = axis?.value, starts.indices.contains(position), ends.indices.contains(position) else {
        continue
      }
      guard Int(clamping: number < 0 ? number + Int64(rank) : number) == key.axis else { continue }
      guard steps.map({ $0.indices.contains(position) && $0[position]?.value == 1 }) ?? true,
        let length = lengthOf(input(0), key.axis), let start = starts[position], let end = ends[position]
      else { return whole.mixed(lengthOf(key.value, key.axis)) }
      // From the end where negative.
      func bound(_ bound: Dimension) -> Dimension {
        if let number = bound.value {
          return number < 0 ? length + Dimension(number) : number > 1 << 40 ? length : bound
        }
        return (-bound).isNonNegative ? length + bound : bound
      }
      if bound(start).value == 0, bound(end) == length { return whole }
      if let part = whole.range(bound(start), bound(end)) { return part }
      return part(of: whole)
    }
    return whole
  }

  /// Some positions of an axis, not by whole pieces.
  private func part(of whole: AxisContent) -> AxisContent {
    let length = lengthOf(key.value, key.axis)
    if whole.pieces.count == 1, let piece = whole.pieces.first, !piece.isMixed {
      return AxisContent(pieces: [AxisPiece(factors: [AxisFactor(length: length, origins: piece.origins)])])
    }
    return whole.mixed(length)
  }

  private func split(_ axis: Int) -> AxisContent? {
    let whole = get(input(0), axis)
    guard let position = node.outputs.firstIndex(of: key.value) else { return nil }
    var start = Dimension(0)
    for output in node.outputs[..<position] {
      guard let length = lengthOf(output, axis) else { return whole.mixed(nil) }
      start = start + length
    }
    guard let length = lengthOf(key.value, axis) else { return whole.mixed(nil) }
    return whole.range(start, start + length) ?? part(of: whole)
  }

  private func gather() -> AxisContent? {
    guard let rank = rank(input(0)), let indexRank = self.rank(input(1)) else { return nil }
    let number = node.int("axis") ?? 0
    let axis = Int(clamping: number < 0 ? number + Int64(rank) : number)
    if key.axis < axis { return get(input(0), key.axis) }
    if key.axis >= axis + indexRank { return get(input(0), key.axis - indexRank + 1) }
    if view.isConstant(input(0)) { return get(input(1), key.axis - axis) }
    // Positions in another order.
    return get(input(0), axis).mixed(lengthOf(key.value, key.axis))
  }

  /// Positions by lists of indices, as those of the words that a mask keeps.
  private func gatherElements() -> AxisContent? {
    guard let indices = view.shape(input(1)), let depth = indices.last??.value, let rank = rank(input(0)) else {
      return nil
    }
    let batch = Int(clamping: node.int("batch_dims") ?? 0)
    if key.axis < batch { return get(input(0), key.axis) }
    let behind = batch + Int(clamping: depth)
    if key.axis >= indices.count - 1 {
      let axis = key.axis - (indices.count - 1) + behind
      return axis < rank ? get(input(0), axis) : nil
    }
    let origins = (batch..<min(behind, rank)).reduce(into: Set<AxisOrigin>()) {
      $0.formUnion(get(input(0), $1).origins)
    }
    return AxisContent(
      pieces: [AxisPiece(factors: [AxisFactor(length: lengthOf(key.value, key.axis), origins: origins)])])
  }

  private func convolution() -> AxisContent? {
    let whole = get(input(0), key.axis)
    if key.axis < 1 { return whole }
    if key.axis == 1 { return nil }
    let length = lengthOf(key.value, key.axis)
    if length == lengthOf(input(0), key.axis), length != nil { return whole }
    if whole.pieces.count == 1, let piece = whole.pieces.first {
      return AxisContent(
        pieces: [AxisPiece(factors: [AxisFactor(length: length, origins: piece.origins)], isMixed: piece.isMixed)])
    }
    // Patches: pieces stay apart where each is whole patches.
    let stride = node.ints("strides").flatMap { $0.indices.contains(key.axis - 2) ? $0[key.axis - 2] : nil } ?? 1
    let kernel = node.ints("kernel_shape").flatMap { $0.indices.contains(key.axis - 2) ? $0[key.axis - 2] : nil }
    guard node.opType == "Conv", kernel == stride, node.ints("pads").map({ $0.allSatisfy { $0 == 0 } }) ?? true else {
      return whole.mixed(length)
    }
    var pieces: [AxisPiece] = []
    for piece in whole.pieces {
      guard let quotient = piece.length?.exactlyDivided(by: Dimension(stride)) else { return whole.mixed(length) }
      pieces.append(AxisPiece(factors: [AxisFactor(length: quotient, origins: piece.origins)], isMixed: piece.isMixed))
    }
    return AxisContent(pieces: pieces)
  }

  private func scatter() -> AxisContent? {
    let data = get(input(0), key.axis)
    guard data.origins.isEmpty, let indexShape = view.shape(input(1)), let depth = indexShape.last??.value else {
      return data
    }
    if key.axis >= Int(clamping: depth) { return get(input(2), key.axis - Int(clamping: depth) + indexShape.count - 1) }
    // Every element by its own index: writing to parts of the last axis, as `x[..., 0::2] = y` is exported.
    guard rank(input(2)) == rank(key.value), let length = lengthOf(key.value, key.axis),
      lengthOf(input(2), key.axis) == length
    else { return data }
    return get(input(2), key.axis)
  }

  private func reduction() -> AxisContent? {
    if node.int("keepdims") ?? 1 == 1 {
      return lengthOf(key.value, key.axis)?.value == 1 ? nil : get(input(0), key.axis)
    }
    guard let rank = rank(input(0)) else { return nil }
    let given = node.ints("axes") ?? view.shapes.numbers(of: input(1))?.map { Int64($0) } ?? []
    let axes = Set(given.map { Int(clamping: $0 < 0 ? $0 + Int64(rank) : $0) })
    let kept = (0..<rank).filter { !axes.contains($0) }
    return kept.indices.contains(key.axis) ? get(input(0), kept[key.axis]) : nil
  }

  private func einsum() -> AxisContent? {
    let text = (node.string("equation") ?? "").filter { $0 != " " }
    guard let dash = text.firstIndex(of: "-") else { return nil }
    let result = Array(text[dash...].dropFirst(2))
    guard result.indices.contains(key.axis), result.allSatisfy(\.isLetter) else { return nil }
    for (position, letters) in text[..<dash].split(separator: ",").enumerated() {
      guard let axis = Array(letters).firstIndex(of: result[key.axis]), !view.isConstant(input(position)) else {
        continue
      }
      return get(input(position), axis)
    }
    return nil
  }

  /// Loops hand their carried values on.
  private func carried() -> AxisContent? {
    guard node.domain.isEmpty, let position = node.outputs.firstIndex(of: key.value) else { return nil }
    switch node.opType {
    case "Loop": return position + 2 < node.inputs.count ? get(node.inputs[position + 2], key.axis) : nil
    case "Scan": return position < node.inputs.count ? get(node.inputs[position], key.axis) : nil
    default: return nil
    }
  }
}
