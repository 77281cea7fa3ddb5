import SparseAttentionCPU

extension BiasView {
  /// Broadcasts a tensor to [batch, heads, queries, keys] as ONNX does: from the last axis, sizes of 1 repeat.
  init(_ tensor: TensorArgument, to full: [Int]) throws(OperatorFailure) {
    let shape = tensor.shape
    guard shape.count <= 4 else {
      throw OperatorFailure("bias has the shape \(shape), which does not broadcast to \(full)")
    }
    let padded = [Int](repeating: 1, count: 4 - shape.count) + shape
    var strides = [0, 0, 0, 0]
    var step = 1
    for axis in [3, 2, 1, 0] {
      guard padded[axis] == full[axis] || padded[axis] == 1 else {
        throw OperatorFailure("bias has the shape \(shape), which does not broadcast to \(full)")
      }
      strides[axis] = padded[axis] == 1 ? 0 : step
      step = step &* padded[axis]
    }
    self.init(
      tensor.memory, batchStride: strides[0], headStride: strides[1], queryStride: strides[2], keyStride: strides[3])
  }
}
