extension ShapeRules {
  static let reductions: [String: Rule] = {
    var table: [String: Rule] = [:]
    for name in [
      "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
      "ReduceSum", "ReduceSumSquare",
    ] {
      table[name] = { one($0.type(0), reduce($0)) }
    }
    for name in ["ArgMax", "ArgMin"] {
      table[name] = { operation in
        guard var shape = operation.shape(0),
          let axis = Operation.axis(operation.node.int("axis") ?? 0, rank: shape.count)
        else { return one(int64, nil) }
        if operation.node.int("keepdims") ?? 1 == 1 { shape[axis] = 1 } else { shape.remove(at: axis) }
        return one(int64, shape)
      }
    }
    return table
  }()

  private static func reduce(_ operation: Operation) -> [Dimension?]? {
    guard let shape = operation.shape(0), let axes = reducedAxes(operation, rank: shape.count) else { return nil }
    let kept = operation.node.int("keepdims") ?? 1 == 1
    return shape.enumerated().compactMap { axis, length -> Dimension?? in
      axes.contains(axis) ? (kept ? .some(1) : nil) : .some(length)
    }
  }

  /// The axes that a reduction sums over; nil where they are not known.
  static func reducedAxes(_ operation: Operation, rank: Int) -> Set<Int>? {
    let given = operation.node.ints("axes") != nil || operation.has(1)
    let list = given ? operation.axes() : []
    guard let list else { return nil }
    if list.isEmpty { return operation.node.int("noop_with_empty_axes") == 1 ? [] : Set(0..<rank) }
    return Operation.axes(list, rank: rank)
  }
}
