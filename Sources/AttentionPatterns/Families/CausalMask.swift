import GraphRewriting
import ONNXGraph

/// Tells whether a mask hides the keys after each query, however it was made:
///
/// - `Trilu`, or a constant triangle, perhaps cut from a larger one;
/// - positions of keys compared with those of queries: `Range ≤ Range`, `Range − Range > 0`, also as constants.
///
/// What joins it with other masks is looked through. A window around each query compares positions too, but ends some
/// positions away from the diagonal.
struct CausalMask {
  let view: GraphView

  private static let nodeLimit = 64
  /// Of a large triangle not every row is looked at.
  private static let rowLimit = 64
  private static let elementLimit = 1 << 24

  func isCausal(_ mask: String) -> Bool {
    var waiting = [mask]
    var seen: Set<String> = [mask]
    var visited = 0
    while let value = waiting.popLast(), visited < Self.nodeLimit {
      visited += 1
      if let tensor = view.index.constant(value) {
        if isTriangular(tensor) { return true }
        continue
      }
      guard let node = view.producer(value), node.domain.isEmpty else { continue }
      switch node.opType {
      case "Trilu": return true
      case "LessOrEqual", "GreaterOrEqual", "Less", "Greater":
        if comparesAtTheDiagonal(node) { return true }
      // Elements that are looked up by positions, as of a table of distances, make no triangle.
      case "Gather", "GatherND", "GatherElements", "Expand", "Reshape", "Slice", "Tile", "Unsqueeze", "Squeeze",
        "CumSum", "Pad":
        if let source = node.inputs.first, seen.insert(source).inserted { waiting.append(source) }
      case "Where", "And", "Or", "Not", "Xor", "Cast", "Identity", "Add", "Sub", "Mul", "Div", "Equal", "Min", "Max",
        "Neg", "Concat", "Transpose", "ScatterND", "Clip":
        for input in node.inputs where !input.isEmpty && seen.insert(input).inserted { waiting.append(input) }
      default: continue
      }
    }
    return false
  }

  /// The keys' positions and the queries', or their difference and a number.
  private func comparesAtTheDiagonal(_ node: Node) -> Bool {
    guard node.inputs.count == 2 else { return false }
    if let offset = offset(node.inputs[0], node.inputs[1]) { return offset.isDiagonal(0) }
    for (difference, number) in [(0, 1), (1, 0)] {
      guard let subtraction = view.producer(node.inputs[difference]), subtraction.opType == "Sub",
        subtraction.inputs.count == 2, let offset = offset(subtraction.inputs[0], subtraction.inputs[1]),
        let limit = view.number(node.inputs[number])
      else { continue }
      return offset.isDiagonal(limit)
    }
    return false
  }

  /// By how much the first positions of queries and keys differ; nil where only a run tells.
  private struct Offset {
    var tokens: Double?

    /// Keys of earlier runs shift the diagonal by a number that a run tells.
    func isDiagonal(_ limit: Double) -> Bool { tokens.map { abs($0 - limit) <= 1 } ?? true }
  }

  /// - Returns: nil where these are not the positions of the keys and of the queries.
  private func offset(_ a: String, _ b: String) -> Offset? {
    let positions = TokenPositions(view: view)
    guard let a = positions.numbering(of: a), let b = positions.numbering(of: b), Set([a.axis, b.axis]) == [-1, -2]
    else { return nil }
    return Offset(tokens: a.start.flatMap { start in b.start.map { start - $0 } })
  }

  /// The last two axes hold one value on and below the diagonal and another one above.
  private func isTriangular(_ tensor: Tensor) -> Bool {
    guard tensor.dims.count >= 2, let side = tensor.dims.last, side > 1, tensor.dims[tensor.dims.count - 2] == side,
      let values = tensor.floatValues(limit: Self.elementLimit).map({ $0.map(Double.init) })
        ?? tensor.int64Values(limit: Self.elementLimit).map({ $0.map(Double.init) })
    else { return false }
    let n = Int(side)
    guard values.count >= n * n else { return false }
    let (below, above) = (values[n], values[1])
    guard below != above else { return false }
    let rows = stride(from: 0, to: n, by: max(1, n / Self.rowLimit))
    return rows.allSatisfy { row in
      (0..<n).allSatisfy { column in values[row * n + column] == (column > row ? above : below) }
    }
  }
}
