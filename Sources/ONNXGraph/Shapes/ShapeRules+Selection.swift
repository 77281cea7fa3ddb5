extension ShapeRules {
  /// Operators that take parts.
  static let selection: [String: Rule] = [
    "Slice": { operation in
      guard var shape = operation.shape(0) else { return one(operation.type(0), nil) }
      guard let bounds = SliceBounds(operation, rank: shape.count) else {
        // The axes are unknown: any of them may be cut.
        return one(operation.type(0), shape.map { _ in nil })
      }
      for (position, axis) in bounds.axes.enumerated() { shape[axis] = bounds.length(of: shape[axis], at: position) }
      return one(operation.type(0), shape)
    },
    "Gather": { operation in
      guard let shape = operation.shape(0), let indices = operation.shape(1),
        let axis = Operation.axis(operation.node.int("axis") ?? 0, rank: shape.count)
      else { return one(operation.type(0), nil) }
      return one(operation.type(0), shape[..<axis] + indices + shape[(axis + 1)...])
    },
    "GatherElements": { one($0.type(0), $0.shape(1)) },
    "GatherND": { operation in
      let batch = Int(clamping: operation.node.int("batch_dims") ?? 0)
      guard let shape = operation.shape(0), let indices = operation.shape(1), let last = indices.last,
        let depth = last?.value, batch >= 0, depth >= 0, depth <= 64, batch + Int(depth) <= shape.count
      else { return one(operation.type(0), nil) }
      return one(operation.type(0), indices.dropLast() + shape[(batch + Int(depth))...])
    },
    "Compress": { operation in
      guard let axis = operation.node.int("axis"), var shape = operation.shape(0),
        let position = Operation.axis(axis, rank: shape.count)
      else { return one(operation.type(0), [nil]) }
      shape[position] = nil
      return one(operation.type(0), shape)
    },
    "NonZero": { operation in
      [InferredValue(elementType: int64, shape: [operation.shape(0).map { Dimension($0.count) }, nil])]
    },
    "TopK": { operation in
      guard var shape = operation.shape(0),
        let axis = Operation.axis(operation.node.int("axis") ?? -1, rank: shape.count)
      else { return one(operation.type(0), nil) + one(int64, nil) }
      shape[axis] = operation.node.int("k").map { Dimension($0) } ?? operation.integers(1)?.first ?? nil
      return one(operation.type(0), shape) + one(int64, shape)
    },
    "OneHot": { operation in
      guard let shape = operation.shape(0),
        let axis = Operation.axis(operation.node.int("axis") ?? -1, rank: shape.count + 1)
      else { return one(operation.type(2), nil) }
      var result = shape
      result.insert(operation.integers(1)?.first ?? nil, at: axis)
      return one(operation.type(2), result)
    },
  ]

  /// Operators that make values from shapes or from nothing.
  static let sources: [String: Rule] = [
    "Constant": { operation in
      guard let tensor = operation.node.constantValue else { return [] }
      return [InferredValue(tensor)]
    },
    "Shape": { operation in
      guard let shape = operation.shape(0) else { return one(int64, [nil]) }
      return one(int64, [Dimension(shapeRange(operation.node, rank: shape.count).count)])
    },
    "Size": { _ in one(int64, []) },
    "ConstantOfShape": { operation in
      one(
        operation.node.tensor("value")?.elementType ?? ElementType.float32.rawValue, lengths(operation.integers(0)))
    },
    "Range": { operation in one(operation.type(0), [rangeLength(operation)]) },
    "EyeLike": { operation in
      one(operation.node.int("dtype").map { Int32(clamping: $0) } ?? operation.type(0), operation.shape(0))
    },
    "RandomNormal": { random($0, lengths($0.node.ints("shape")?.map { Dimension($0) })) },
    "RandomUniform": { random($0, lengths($0.node.ints("shape")?.map { Dimension($0) })) },
    "RandomNormalLike": { random($0, $0.shape(0)) },
    "RandomUniformLike": { random($0, $0.shape(0)) },
    "Bernoulli": { one($0.node.int("dtype").map { Int32(clamping: $0) } ?? $0.type(0), $0.shape(0)) },
  ]

  private static func random(_ operation: Operation, _ shape: [Dimension?]?) -> [InferredValue] {
    let type = operation.type(0) == 0 ? ElementType.float32.rawValue : operation.type(0)
    return one(operation.node.int("dtype").map { Int32(clamping: $0) } ?? type, shape)
  }

  /// A shape that is given as elements: what is negative is none.
  static func lengths(_ list: [Dimension?]?) -> [Dimension?]? {
    list.map { $0.map { $0.flatMap { ($0.value ?? 0) >= 0 ? $0 : nil } } }
  }

  /// Which axes a Shape node gives (`start`, `end` since opset 15).
  static func shapeRange(_ node: Node, rank: Int) -> Range<Int> {
    func clamp(_ value: Int64) -> Int {
      Int(Swift.max(0, Swift.min(Int64(rank), value < 0 ? value &+ Int64(rank) : value)))
    }
    let start = clamp(node.int("start") ?? 0)
    return start..<Swift.max(start, clamp(node.int("end") ?? Int64(rank)))
  }

  /// ⌈(limit − start) / delta⌉, at least 0.
  static func rangeLength(_ operation: Operation) -> Dimension? {
    guard let start = operation.contents(0)?.elements.first, let limit = operation.contents(1)?.elements.first,
      let delta = operation.contents(2)?.elements.first
    else { return nil }
    if let start = start.integer, let limit = limit.integer, let delta = delta.integer, delta.value != 0 {
      let length = (limit - start).ceilingDivided(by: delta)
      if let number = length.value { return Dimension(Swift.max(0, number)) }
      return known(length)
    }
    guard let start = start.number, let limit = limit.number, let delta = delta.number, delta != 0 else { return nil }
    let length = ((limit - start) / delta).rounded(.up)
    return length.isFinite && length < 0x1p62 ? Dimension(Swift.max(0, Int64(length))) : nil
  }
}

/// What a Slice cuts: attributes before opset 10, inputs since.
struct SliceBounds {
  let axes: [Int]
  private let starts: [Dimension?]
  private let ends: [Dimension?]
  private let steps: [Int64?]

  /// Nil where the axes are not known.
  init?(_ operation: Operation, rank: Int) {
    let node = operation.node
    func constants(_ list: [Int64]?) -> [Dimension?]? { list?.map { Dimension($0) } }
    let starts = constants(node.ints("starts")) ?? operation.integers(1)
    let ends = constants(node.ints("ends")) ?? operation.integers(2)
    guard let count = starts?.count ?? ends?.count else { return nil }
    self.starts = starts ?? Array(repeating: nil, count: count)
    self.ends = ends ?? Array(repeating: nil, count: count)
    if let list = node.ints("axes") ?? (operation.has(3) ? operation.constants(3) : (0..<Int64(count)).map { $0 }) {
      let found = list.compactMap { Operation.axis($0, rank: rank) }
      guard found.count == list.count, list.count == count else { return nil }
      axes = found
    } else {
      return nil
    }
    guard self.starts.count == count, self.ends.count == count else { return nil }
    if operation.has(4) {
      let list = operation.integers(4)?.map { $0?.value }
      steps = list?.count == count ? list ?? [] : Array(repeating: nil, count: count)
    } else {
      steps = Array(repeating: 1, count: count)
    }
  }

  /// The first index and the step, where both are numbers or the start an expression and the step 1.
  func start(of length: Dimension?, at position: Int) -> Dimension? {
    guard let step = steps[position], step != 0 else { return nil }
    return bound(starts[position], length, backwards: step < 0)
  }

  func step(at position: Int) -> Int64? { steps[position] }

  func length(of length: Dimension?, at position: Int) -> Dimension? {
    guard let step = steps[position], step != 0, step != .min,
      let start = bound(starts[position], length, backwards: step < 0),
      let end = bound(ends[position], length, backwards: step < 0)
    else { return nil }
    let count = (end - start).ceilingDivided(by: Dimension(step))
    if let number = count.value { return Dimension(Swift.max(0, number)) }
    return count.isKnown ? count : nil
  }

  /// A bound counted from the front and clamped to the axis: [0, length], backwards [−1, length − 1].
  private func bound(_ bound: Dimension?, _ length: Dimension?, backwards: Bool) -> Dimension? {
    guard let bound else { return nil }
    let low: Dimension = backwards ? -1 : 0
    if let number = bound.value {
      // Exporters write the largest and the smallest integers for "to the end".
      if number >= Int64(Int32.max) { return length.map { $0 + low } }
      if number <= Int64(Int32.min) + 1 { return low }
      if number < 0 {
        guard let length else { return nil }
        let counted = length + bound
        if let value = counted.value { return Swift.max(value, low.constant).asDimension }
        // A name's length is taken to hold what is cut from its end.
        return counted
      }
      if number == 0, !backwards { return 0 }
    } else if (-bound).isNonNegative {
      guard let length else { return nil }
      let counted = length + bound
      return counted.isNonNegative ? counted : nil
    }
    // An expression is taken to stay within its axis, as exporters take it to when they declare lengths.
    guard let number = bound.value else { return bound }
    guard let length else { return number == 0 ? bound : nil }
    let high = length + low
    if (high - bound).isNonNegative { return bound }
    if (bound - high).isNonNegative { return high }
    return .min([bound, high])
  }
}

extension Int64 {
  var asDimension: Dimension { Dimension(self) }
}

extension InferredValue {
  /// A tensor's type, shape and, where it is small, contents.
  init(_ tensor: Tensor) {
    self.init(elementType: tensor.elementType, shape: tensor.dims.map { Dimension($0) })
    guard let count = tensor.elementCount, count <= SymbolicTensor.elementLimit else { return }
    let elements: [SymbolicScalar]
    if let integers = tensor.int64Values(limit: count) {
      elements = integers.map { .integer(Dimension($0)) }
    } else if let floats = tensor.floatValues(limit: count) {
      elements = floats.map { .real(Double($0)) }
    } else {
      return
    }
    contents = SymbolicTensor(dims: tensor.dims.map { Int($0) }, elements: elements)
  }
}
