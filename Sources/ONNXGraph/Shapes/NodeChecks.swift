/// A node that no run can compute, as some exporters write them.
public struct InvalidNode: Hashable, Sendable {
  public var path: String
  public var label: String
  public var opType: String
  /// A clause: "it squeezes axis 1, which is 6 long".
  public var reason: String

  /// One sentence: what, where, what to do.
  public var message: String {
    "\(opType) \((path + label).quoted) is invalid: \(reason); ONNX Runtime will refuse the model, so export it again."
  }
}

extension ShapeInference {
  /// Nodes whose inputs do not fit each other, as far as lengths are numbers; in the order of the file.
  public func invalidNodes() -> [InvalidNode] {
    graphs.flatMap { shapes in
      shapes.graph.nodes.compactMap { node -> InvalidNode? in
        guard node.domain.isEmpty, let check = NodeChecks.checks[node.opType] else { return nil }
        let inputs = node.inputs.map { $0.isEmpty ? nil : shapes.value($0) }
        return check(Operation(node: node, opset: 0, inputs: inputs)).map {
          InvalidNode(path: shapes.path, label: node.label, opType: node.opType, reason: $0)
        }
      }
    }
  }
}

/// What must hold between the inputs of a node: one check an operator, nil where nothing is wrong or not enough is known.
private enum NodeChecks {
  typealias Check = @Sendable (Operation) -> String?

  static let checks: [String: Check] = {
    var table: [String: Check] = [
      "Squeeze": squeeze, "Concat": concat, "MatMul": matMul, "Gemm": gemm, "Reshape": reshape,
      "Transpose": transpose, "Split": split, "Conv": conv, "Slice": integers(1...), "Gather": integers(1...1),
      "Expand": integers(1...1), "Tile": integers(1...1), "ConstantOfShape": integers(0...0),
    ]
    for name in [
      "Add", "Sub", "Mul", "Div", "Pow", "Where", "And", "Or", "Equal", "Greater", "Less", "GreaterOrEqual",
      "LessOrEqual", "Min", "Max",
    ] {
      table[name] = broadcast
    }
    return table
  }()

  private static let squeeze: Check = { operation in
    guard let shape = operation.shape(0), let axes = operation.axes() else { return nil }
    for axis in axes {
      guard let place = Operation.axis(axis, rank: shape.count) else {
        return "it squeezes axis \(axis) of a value that has \(shape.count)"
      }
      if let length = shape[place]?.value, length != 1 { return "it squeezes axis \(axis), which is \(length) long" }
    }
    return nil
  }

  private static let concat: Check = { operation in
    let shapes = operation.inputs.indices.compactMap { operation.shape($0) }
    guard let first = shapes.first, let given = operation.node.int("axis") else { return nil }
    if let other = shapes.first(where: { $0.count != first.count }) {
      return "it joins values with \(first.count) and \(other.count) axes"
    }
    guard let joined = Operation.axis(given, rank: first.count) else {
      return "it joins along axis \(given) of values that have \(first.count)"
    }
    for axis in first.indices where axis != joined {
      let lengths = Set(shapes.compactMap { $0[axis]?.value }).sorted()
      if lengths.count > 1 { return "it joins values that are \(lengths[0]) and \(lengths[1]) long on axis \(axis)" }
    }
    return nil
  }

  private static let matMul: Check = { operation in
    guard let left = operation.shape(0), let right = operation.shape(1), let inner = left.last,
      let outer = right.count > 1 ? right[right.count - 2] : right.last
    else { return nil }
    return product(inner, outer) ?? mismatch([Array(left.dropLast(2)), Array(right.dropLast(2))])
  }

  private static let gemm: Check = { operation in
    guard let left = operation.shape(0), let right = operation.shape(1), left.count == 2, right.count == 2 else {
      return nil
    }
    return product(
      left[operation.node.int("transA") ?? 0 != 0 ? 0 : 1], right[operation.node.int("transB") ?? 0 != 0 ? 1 : 0])
  }

  private static func product(_ inner: Dimension?, _ outer: Dimension?) -> String? {
    guard let inner = inner?.value, let outer = outer?.value, inner != outer else { return nil }
    return "it multiplies rows of \(inner) elements with columns of \(outer)"
  }

  /// Positions and lengths have to be whole numbers.
  private static func integers(_ positions: some RangeExpression<Int> & Sendable) -> Check {
    { operation in
      let wrong = operation.inputs.indices.first {
        positions.contains($0) && ElementType(rawValue: operation.type($0))?.isFloatingPoint == true
      }
      return wrong.map { "its input \($0) has to be of integers" }
    }
  }

  private static let reshape: Check = { operation in
    guard let shape = operation.shape(0), let count = shape.product?.value, let wanted = operation.constants(1),
      operation.node.int("allowzero") ?? 0 == 0 || !wanted.contains(0)
    else { return nil }
    var product: Int64 = 1
    for (axis, length) in wanted.enumerated() where length != -1 {
      guard length != 0 || shape.indices.contains(axis) else { return "it keeps axis \(axis) of a value that has none" }
      guard let length = length == 0 ? shape[axis]?.value : length else { return nil }
      let (next, overflows) = product.multipliedReportingOverflow(by: length)
      guard !overflows else { return nil }
      product = next
    }
    let fits = wanted.contains(-1) ? product == 0 || count % product == 0 : product == count
    return fits ? nil : "it makes \(product) elements of \(count)"
  }

  private static let transpose: Check = { operation in
    guard let rank = operation.shape(0)?.count, let order = operation.node.ints("perm"), order.count != rank else {
      return nil
    }
    return "it orders \(order.count) axes of a value that has \(rank)"
  }

  private static let split: Check = { operation in
    guard let shape = operation.shape(0), let sizes = operation.node.ints("split") ?? operation.constants(1),
      let axis = Operation.axis(operation.node.int("axis") ?? 0, rank: shape.count), let length = shape[axis]?.value
    else { return nil }
    let sum = sizes.reduce(0 as Int64) { $0.addingReportingOverflow($1).partialValue }
    return sum == length ? nil : "it takes \(sum) positions of an axis that is \(length) long"
  }

  private static let conv: Check = { operation in
    guard let image = operation.shape(0), let kernel = operation.shape(1), image.count > 2, kernel.count == image.count,
      let channels = image[1]?.value, let own = kernel[1]?.value
    else { return nil }
    let groups = operation.node.int("group") ?? 1
    let (wanted, overflows) = own.multipliedReportingOverflow(by: groups)
    return overflows || wanted == channels ? nil : "its kernel takes \(wanted) channels of \(channels)"
  }

  private static let broadcast: Check = { operation in
    mismatch(operation.inputs.indices.compactMap { operation.shape($0) })
  }

  /// Two lengths that cannot be broadcast together.
  private static func mismatch(_ shapes: [[Dimension?]]) -> String? {
    for axis in 1...max(1, shapes.map(\.count).max() ?? 0) {
      let lengths = Set(
        shapes.compactMap { $0.count >= axis ? $0[$0.count - axis]?.value : nil }.filter { $0 != 1 }
      ).sorted()
      if lengths.count > 1 { return "lengths of \(lengths[0]) and \(lengths[1]) do not go together" }
    }
    return nil
  }
}
