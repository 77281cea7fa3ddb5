extension ShapeRules {
  /// Operators that only move data.
  static let layout: [String: Rule] = [
    "Transpose": { one($0.type(0), transpose($0)) },
    "Reshape": { operation in
      let zeroIsZero = operation.node.int("allowzero") == 1
      let target = operation.node.ints("shape")?.map { Dimension($0) as Dimension? } ?? operation.integers(1)
      return one(operation.type(0), reshape(operation.shape(0), to: target, zeroIsZero: zeroIsZero))
    },
    "Flatten": { operation in
      guard let shape = operation.shape(0) else { return one(operation.type(0), [nil, nil]) }
      let axis = operation.node.int("axis") ?? 1
      let cut = axis < 0 ? axis &+ Int64(shape.count) : axis
      guard (0...Int64(shape.count)).contains(cut) else { return [] }
      return one(operation.type(0), [Array(shape[..<Int(cut)]).product, Array(shape[Int(cut)...]).product])
    },
    "Squeeze": { operation in
      guard let shape = operation.shape(0) else { return one(operation.type(0), nil) }
      if operation.node.ints("axes") == nil, !operation.has(1) {
        // Without axes every length of 1 goes: all lengths must be known.
        guard shape.allSatisfy({ $0?.value != nil }) else { return one(operation.type(0), nil) }
        return one(operation.type(0), shape.filter { $0 != 1 })
      }
      guard let axes = operation.axes().flatMap({ Operation.axes($0, rank: shape.count) }) else {
        return one(operation.type(0), nil)
      }
      return one(operation.type(0), shape.enumerated().filter { !axes.contains($0.offset) }.map(\.element))
    },
    "Unsqueeze": { operation in
      guard let shape = operation.shape(0), let list = operation.axes(),
        let axes = Operation.axes(list, rank: shape.count + list.count)
      else { return one(operation.type(0), nil) }
      var rest = shape[...]
      return one(
        operation.type(0), (0..<shape.count + list.count).map { axes.contains($0) ? 1 : rest.popFirst() ?? nil })
    },
    "Concat": { one($0.type(0), concat($0)) },
    "Split": { split($0) },
    "Expand": { operation in
      guard let target = operation.integers(1) else { return one(operation.type(0), nil) }
      return one(operation.type(0), broadcast([operation.shape(0), target]))
    },
    "Tile": { operation in
      guard let shape = operation.shape(0) else { return one(operation.type(0), nil) }
      let repeats = operation.integers(1)
      return one(
        operation.type(0),
        shape.enumerated().map { axis, length in
          guard let repeats, repeats.count == shape.count, let length, let count = repeats[axis] else { return nil }
          return known(length * count)
        })
    },
    "DepthToSpace": { blocks($0, deeper: false) },
    "SpaceToDepth": { blocks($0, deeper: true) },
  ]

  static func known(_ dimension: Dimension) -> Dimension? { dimension.isKnown ? dimension : nil }

  private static func transpose(_ operation: Operation) -> [Dimension?]? {
    guard let shape = operation.shape(0) else {
      return operation.node.ints("perm").map { Array(repeating: nil, count: $0.count) }
    }
    guard let order = operation.node.ints("perm") else { return shape.reversed() }
    guard order.count == shape.count else { return nil }
    return order.map { (0..<Int64(shape.count)).contains($0) ? shape[Int($0)] : nil }
  }

  static func reshape(_ shape: [Dimension?]?, to target: [Dimension?]?, zeroIsZero: Bool) -> [Dimension?]? {
    guard let target else { return nil }
    var result: [Dimension?] = []
    // The one place that the number of elements decides: a −1, or an entry that is not known otherwise.
    var open: [Int] = []
    for (index, entry) in target.enumerated() {
      if entry == 0, !zeroIsZero {
        result.append(shape.flatMap { index < $0.count ? $0[index] : nil })
      } else if entry == -1 {
        open = [index]
        result.append(nil)
      } else {
        result.append(entry.flatMap { $0.isNonNegative ? $0 : nil })
      }
    }
    let unknown = result.indices.filter { result[$0] == nil }
    if open.isEmpty || unknown.count == 1 { open = unknown }
    guard open.count == 1, unknown.count == 1, let shape else { return result }
    if let length = quotient(shape, result.enumerated().filter { $0.offset != open[0] }.map(\.element)) {
      result[open[0]] = length
    }
    return result
  }

  /// The product of some lengths over that of others, which it is a multiple of. Lengths on both sides cancel, so that
  /// an unknown one does no harm there.
  private static func quotient(_ shape: [Dimension?], _ others: [Dimension?]) -> Dimension? {
    var left = shape
    var right: [Dimension?] = []
    for length in others {
      if let index = left.firstIndex(where: { $0 != nil && $0 == length }) {
        left.remove(at: index)
      } else {
        right.append(length)
      }
    }
    guard let total = left.product, let divisor = right.product else { return nil }
    if let exact = total.exactlyDivided(by: divisor) { return exact }
    // A zero on the right says nothing, and a sum on the right seldom has a quotient that anything else equals.
    guard let number = divisor.value, number > 0 else { return nil }
    return known(total.floorDivided(by: divisor))
  }

  private static func concat(_ operation: Operation) -> [Dimension?]? {
    let shapes = operation.inputs.indices.map { operation.shape($0) }
    guard let first = shapes.compactMap({ $0 }).first,
      let axis = Operation.axis(operation.node.int("axis") ?? (operation.opset < 4 ? 1 : 0), rank: first.count)
    else { return nil }
    var result = first
    for position in first.indices {
      if position == axis {
        var sum: Dimension? = 0
        for shape in shapes {
          guard let shape, shape.count == first.count, let length = shape[position], let before = sum else {
            sum = nil
            break
          }
          sum = known(before + length)
        }
        result[position] = sum
      } else {
        // The others agree: what one input knows holds for all.
        result[position] = shapes.compactMap { $0?.count == first.count ? $0?[position] : nil }
          .min { ($0.isConstant ? 0 : 1) < ($1.isConstant ? 0 : 1) }
      }
    }
    return result
  }

  private static func split(_ operation: Operation) -> [InferredValue] {
    let count = operation.node.outputs.count
    guard let shape = operation.shape(0),
      let axis = Operation.axis(operation.node.int("axis") ?? 0, rank: shape.count), count > 0
    else { return Array(repeating: InferredValue(elementType: operation.type(0)), count: count) }
    var lengths = [Dimension?](repeating: nil, count: count)
    if let sizes = operation.node.ints("split").map({ $0.map { Dimension($0) as Dimension? } })
      ?? (operation.has(1) ? operation.integers(1) : nil)
    {
      if sizes.count == count { lengths = sizes }
    } else if !operation.has(1), let whole = shape[axis] {
      // Equal parts of ⌈whole / count⌉, the last one the rest.
      let part = known(whole.ceilingDivided(by: Dimension(count)))
      lengths = Array(repeating: part, count: count - 1)
      lengths.append(part.flatMap { known(whole - $0 * Dimension(count - 1)) })
    }
    return lengths.map { length in
      var part = shape
      part[axis] = length
      return InferredValue(elementType: operation.type(0), shape: part)
    }
  }

  private static func blocks(_ operation: Operation, deeper: Bool) -> [InferredValue] {
    guard let shape = operation.shape(0), shape.count == 4, let size = operation.node.int("blocksize"), size > 0,
      size < 1 << 20
    else { return one(operation.type(0), nil) }
    let area = Dimension(size * size)
    let side = Dimension(size)
    func scale(_ length: Dimension?, _ factor: Dimension, up: Bool) -> Dimension? {
      length.flatMap { known(up ? $0 * factor : $0.floorDivided(by: factor)) }
    }
    return one(
      operation.type(0),
      [
        shape[0], scale(shape[1], area, up: deeper), scale(shape[2], side, up: !deeper),
        scale(shape[3], side, up: !deeper),
      ])
  }
}
