import SparseAttentionCPU

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
    // A tensor without elements may have any other sizes: nothing here may trap.
    let batchStride = tokens &* (heads * size)
    return switch layout {
    case .bshd, .bse: TensorView(memory, batchStride: batchStride, headStride: size, tokenStride: heads * size)
    case .bhsd: TensorView(memory, batchStride: batchStride, headStride: tokens &* size, tokenStride: size)
    }
  }
}
