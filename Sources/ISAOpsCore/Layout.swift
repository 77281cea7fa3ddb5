import SparseAttention
import SparseAttentionCPU

/// How a tensor holds [batch, heads, tokens, size].
enum Layout: String, CaseIterable {
  case bshd = "BSHD"
  case bhsd = "BHSD"
  /// Heads side by side in the last axis.
  case bse = "BSE"

  var rank: Int { self == .bse ? 3 : 4 }
}

/// The sizes of a query, key, value or output.
struct HeadShape: Equatable {
  var batch: Int
  var tokens: Int
  var heads: Int
  var size: Int

  init(batch: Int, tokens: Int, heads: Int, size: Int) {
    self.batch = batch
    self.tokens = tokens
    self.heads = heads
    self.size = size
  }

  /// Reads a tensor's shape; `heads` is what the node's attributes say.
  init(_ shape: [Int], _ layout: Layout, heads: Int, of name: String) throws(OperatorFailure) {
    guard shape.count == layout.rank else {
      throw OperatorFailure("\(name) has the shape \(shape), but layout \(layout.rawValue) has \(layout.rank) axes")
    }
    batch = shape[0]
    self.heads = heads
    switch layout {
    case .bshd, .bhsd:
      let found = layout == .bshd ? shape[2] : shape[1]
      guard found == heads else {
        throw OperatorFailure("\(name) has \(found) heads (shape \(shape), layout \(layout.rawValue)), not \(heads)")
      }
      tokens = layout == .bshd ? shape[1] : shape[2]
      size = shape[3]
    case .bse:
      guard shape[2] % heads == 0 else {
        throw OperatorFailure("\(name) has a width of \(shape[2]), which \(heads) heads do not divide")
      }
      tokens = shape[1]
      size = shape[2] / heads
    }
    guard (1...256).contains(size) else {
      throw OperatorFailure("\(name) has a head size of \(size); 1 to 256 are possible")
    }
  }

  /// The tensor's shape.
  func shape(_ layout: Layout) -> [Int] {
    switch layout {
    case .bshd: [batch, tokens, heads, size]
    case .bhsd: [batch, heads, tokens, size]
    case .bse: [batch, tokens, heads * size]
    }
  }

  func view(_ memory: UnsafeMutableRawPointer, _ layout: Layout) -> TensorView {
    switch layout {
    case .bshd, .bse:
      TensorView(memory, batchStride: tokens * heads * size, headStride: size, tokenStride: heads * size)
    case .bhsd:
      TensorView(memory, batchStride: heads * tokens * size, headStride: tokens * size, tokenStride: size)
    }
  }
}

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
      step *= padded[axis]
    }
    self.init(
      tensor.memory, batchStride: strides[0], headStride: strides[1], queryStride: strides[2], keyStride: strides[3])
  }
}
