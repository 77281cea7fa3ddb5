import SparseAttention

/// The keys of one batch entry that are not masked, block by block.
struct BatchKeys {
  /// [blocks × block size]: the tokens of a block's keys come first.
  var tokens: [Int32]
  /// Keys of each block.
  var sizes: [Int32]
  var total: Int

  init(_ blocks: BlockLayout, blockSize: Int, mask: UnsafePointer<UInt8>?) {
    tokens = Array(repeating: 0, count: blocks.count * blockSize)
    sizes = Array(repeating: 0, count: blocks.count)
    total = 0
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
  }
}
