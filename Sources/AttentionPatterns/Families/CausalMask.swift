import GraphRewriting
import ONNXGraph

/// Tells whether a mask hides the keys after each query.
struct CausalMask {
  let view: GraphView

  private static let nodeLimit = 64

  func isCausal(_ mask: String) -> Bool {
    var waiting = [mask]
    var seen: Set<String> = [mask]
    var hasRange = false
    var compares = false
    var visited = 0
    while let value = waiting.popLast(), visited < Self.nodeLimit {
      visited += 1
      if let tensor = view.index.constant(value) {
        if isTriangular(tensor) { return true }
        continue
      }
      guard let node = view.producer(value) else { continue }
      switch node.opType {
      case "Trilu": return true
      case "Range": hasRange = true
      case "LessOrEqual", "GreaterOrEqual", "Less", "Greater": compares = true
      case "MatMul", "Gemm", "Softmax", "Conv", "LayerNormalization", "Shape": continue
      default: break
      }
      for input in node.inputs where !input.isEmpty && seen.insert(input).inserted { waiting.append(input) }
    }
    return hasRange && compares
  }

  /// The last two axes hold one value on and below the diagonal and another one above.
  private func isTriangular(_ tensor: Tensor) -> Bool {
    guard tensor.dims.count >= 2, let side = tensor.dims.last, side > 1, tensor.dims[tensor.dims.count - 2] == side,
      side <= 1024,
      let values = tensor.floatValues().map({ $0.map(Double.init) })
        ?? tensor.int64Values().map({ $0.map(Double.init) })
    else { return false }
    let n = Int(side)
    guard values.count >= n * n else { return false }
    let (below, above) = (values[n], values[1])
    guard below != above else { return false }
    for row in 0..<n {
      for column in 0..<n where values[row * n + column] != (column > row ? above : below) { return false }
    }
    return true
  }
}
