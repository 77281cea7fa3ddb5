import SparseAttention

/// Numbers that stay where they are while a call lasts, so that kernels may keep pointers into them.
final class Table<Element> {
  let base: UnsafePointer<Element>
  private let count: Int

  init(_ elements: [Element]) {
    count = elements.count
    let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(1, count))
    _ = memory.initialize(from: elements)
    base = UnsafePointer(memory.baseAddress.unsafelyUnwrapped)
  }

  deinit {
    let memory = UnsafeMutablePointer(mutating: base)
    memory.deinitialize(count: count)
    memory.deallocate()
  }

  subscript(_ i: Int) -> Element { base[i] }
}

/// The tokens of one side's blocks that are not masked.
struct BlockTokens {
  /// [blocks × block size]: the tokens of a block come first.
  let tokens: Table<Int32>
  /// Tokens of each block.
  let sizes: Table<Int32>
  let total: Int

  init(_ blocks: BlockLayout, blockSize: Int, mask: UnsafePointer<UInt8>?) {
    var tokens: [Int32] = Array(repeating: 0, count: blocks.count * blockSize)
    var sizes: [Int32] = Array(repeating: 0, count: blocks.count)
    var total = 0
    for block in 0..<blocks.count {
      var n = 0
      for place in blocks.starts[block]..<blocks.starts[block + 1] {
        let token = blocks.tokens[place]
        if let mask, mask[Int(token)] == 0 { continue }
        tokens[block * blockSize + n] = token
        n += 1
      }
      sizes[block] = Int32(truncatingIfNeeded: n)
      total += n
    }
    self.tokens = Table(tokens)
    self.sizes = Table(sizes)
    self.total = total
  }
}
