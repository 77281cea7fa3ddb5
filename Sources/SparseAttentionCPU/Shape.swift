import CKernels
import SparseAttention

/// The sizes of one call, checked and padded.
struct Shape {
  let batch, heads, kvHeads, group: Int
  let queries, keys: Int
  let headSize, valueSize: Int
  let blockQ, blockK: Int
  let queryBlocks, keyBlocks: Int
  /// Products of bf16 pairs.
  let brain: Bool
  /// Numbers of a word.
  let pack: Int
  /// Columns of keys and queries, padded; words of one; words that are contracted.
  let keyWidth, words, steps: Int
  let valueWidth: Int
  /// Blocks, padded to 64.
  let paddedQ, paddedK: Int
  let keyBlockWords, valueBlockWords: Int
  /// Scores go to base 2.
  let scale: Float

  var meanChunks: Int { paddedK / 64 }
  var panels: Int { blockQ / 64 }

  init(_ p: AttentionProblem, queryBlocks: Int, keyBlocks: Int, brain: Bool) {
    batch = p.batch
    heads = p.heads
    kvHeads = p.kvHeads
    group = p.heads / p.kvHeads
    queries = p.queries
    keys = p.keys
    headSize = p.headSize
    valueSize = p.valueSize
    blockQ = p.blockQ
    blockK = p.blockK
    self.queryBlocks = queryBlocks
    self.keyBlocks = keyBlocks
    self.brain = brain
    pack = brain ? 2 : 1
    keyWidth = brain ? (p.headSize + 31) & ~31 : (p.headSize + 15) & ~15
    words = keyWidth / pack
    steps = (p.headSize + pack - 1) / pack
    valueWidth = (p.valueSize + 15) & ~15
    paddedQ = (queryBlocks + 63) & ~63
    paddedK = (keyBlocks + 63) & ~63
    keyBlockWords = p.blockK * words
    valueBlockWords = p.blockK / pack * valueWidth
    scale = p.scale * 1.4426950408889634
  }

  /// Checks what the types do not.
  static func check(_ p: AttentionProblem) throws(AttentionError) {
    func need(_ condition: Bool, _ what: @autoclosure () -> String) throws(AttentionError) {
      if !condition { throw .unsupported(what()) }
    }
    try need(p.batch >= 0 && p.queries >= 0 && p.keys >= 0, "Batch and lengths must not be negative.")
    try need(
      p.queries <= Int(Int32.max) && p.keys <= Int(Int32.max),
      "Sequences of \(p.queries) queries and \(p.keys) keys are longer than 2^31 - 1 tokens; shorten them.")
    try need(
      p.heads >= 1 && p.kvHeads >= 1 && p.heads % p.kvHeads == 0,
      "\(p.heads) query heads are not a multiple of \(p.kvHeads) key heads; correct num_heads or kv_num_heads.")
    try need(
      (1...256).contains(p.headSize) && (1...256).contains(p.valueSize),
      "Head sizes \(p.headSize) and \(p.valueSize) must be 1 to 256; keep this attention as it is.")
    try need(p.blockQ == 64 || p.blockQ == 128, "block_q is \(p.blockQ); use 64 or 128.")
    try need(p.blockK == 32 || p.blockK == 64, "block_k is \(p.blockK); use 32 or 64.")
    if let tile = p.tile {
      try need(
        tile.frames >= 1 && tile.rows >= 1 && tile.columns >= 1, "A tile's frames, rows and columns must be positive.")
    }
    try need(
      p.policies.count == p.heads, "\(p.policies.count) policies are given for \(p.heads) heads; give one a head.")
    if p.bias != nil, let head = p.policies.firstIndex(where: { !$0.exact }) { throw .biasWithSparsePolicy(head: head) }
  }

  /// How many of n blocks a share buys: rounded down (a float32's error forgiven), `least` at least, n at most.
  static func count(_ share: Float, of n: Int, least: Int = 1) -> Int {
    let exact = Double(share) * Double(n) * (1 + 1e-6) + 1e-6
    let bought = exact >= Double(n) ? n : exact > 0 ? Int(exact) : 0
    return min(n, max(least, bought))
  }
}
