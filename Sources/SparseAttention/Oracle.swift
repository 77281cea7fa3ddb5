#if canImport(Glibc)
  import Glibc
#endif

/// One head of the operator in float64: slow, plain, and what every implementation is measured against.
///
/// Tokens are in the order of the sequence; the oracle orders and cuts them itself. Every formula is that of the
/// operator's definition in `Docs/operator.md`.
public struct Oracle: Sendable {
  /// [queries][head size], [keys][head size], [keys][value size].
  public var queries, keys, values: [[Double]]
  public var policy: Policy
  public var querySegments, keySegments: [Segment]
  public var scale: Double
  public var blockQ, blockK: Int
  public var tile: Grid?
  public var edges: TileEdges
  /// [keys]: true = attend; nil: all.
  public var mask: [Bool]?
  public var maskedKeys = MaskedKeys.absent
  public var emptyRows = EmptyRows.zero
  /// Added to every score, in float32.
  private var added: Float?

  public init(
    queries: [[Double]], keys: [[Double]], values: [[Double]], policy: Policy, querySegments: [Segment],
    keySegments: [Segment], scale: Double, blockQ: Int = 64, blockK: Int = 64, tile: Grid? = nil,
    edges: TileEdges = .shared, mask: [Bool]? = nil, maskedKeys: MaskedKeys = .absent, emptyRows: EmptyRows = .zero
  ) {
    self.queries = queries
    self.keys = keys
    self.values = values
    self.policy = policy
    self.querySegments = querySegments
    self.keySegments = keySegments
    self.scale = scale
    self.blockQ = blockQ
    self.blockK = blockK
    self.tile = tile
    self.edges = edges
    self.mask = mask
    self.maskedKeys = maskedKeys
    self.emptyRows = emptyRows
  }

  /// Where nothing but keys with a low number added is left: exact attention to all of them.
  var bare: Oracle? {
    guard case .biased(let low) = maskedKeys, let mask, !mask.isEmpty, !mask.contains(true) else { return nil }
    var bare = self
    (bare.mask, bare.maskedKeys, bare.policy, bare.added) = (nil, .absent, .exact, low)
    return bare
  }

  private func score(_ query: Int, _ key: Int) -> Double {
    let score = scale * Oracle.dot(queries[query], keys[key])
    return added.map { Double(Float(score) + $0) } ?? score
  }

  /// A run of tokens that is decided on as one.
  public struct Block: Sendable {
    /// Of keys, those that are not masked.
    public var tokens: [Int]
    public var kind: SegmentKind
  }

  /// - Throws: where the segments do not fit the tokens.
  public func queryBlocks() throws(AttentionError) -> [Block] {
    try blocks("query", querySegments, queries.count, blockQ)
  }

  public func keyBlocks() throws(AttentionError) -> [Block] {
    try blocks("key", keySegments, keys.count, blockK).map { block in
      Block(tokens: block.tokens.filter { mask?[$0] ?? true }, kind: block.kind)
    }
  }

  private func blocks(
    _ side: String, _ segments: [Segment], _ total: Int, _ size: Int
  ) throws(AttentionError) -> [Block] {
    let layout = try BlockLayout(side: side, segments: segments, total: total, size: size, tile: tile, edges: edges)
    return (0..<layout.count).map { i in
      Block(tokens: layout.tokens[layout.starts[i]..<layout.starts[i + 1]].map(Int.init), kind: layout.kinds[i])
    }
  }

  static func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
  }

  /// Mean of the rows of these tokens; zeros where there are none.
  static func mean(_ rows: [[Double]], _ tokens: [Int]) -> [Double] {
    var sum = Array(repeating: 0.0, count: rows.first?.count ?? 0)
    for token in tokens {
      for c in sum.indices { sum[c] += rows[token][c] }
    }
    return tokens.isEmpty ? sum : sum.map { $0 / Double(tokens.count) }
  }

  static func softmax(_ x: [Double]) -> [Double] {
    let top = x.max() ?? 0
    let e = x.map { exp($0 - top) }
    let sum = e.reduce(0, +)
    return e.map { $0 / sum }
  }

  /// Variance, over a block's keys, of the scores of a mean query.
  func variance(_ meanQuery: [Double], _ block: Block) -> Double {
    Oracle.variance(block.tokens.map { scale * Oracle.dot(meanQuery, keys[$0]) })
  }

  static func variance(_ x: [Double]) -> Double {
    guard !x.isEmpty else { return 0 }
    let mean = x.reduce(0, +) / Double(x.count)
    return x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
  }

  /// The output for a selection, made here or elsewhere: [queries][value size].
  public func output(_ s: Selection) throws(AttentionError) -> [[Double]] {
    if let bare { return try bare.output(s) }
    let masked = keys.indices.filter { !(mask?[$0] ?? true) }
    let queryBlocks = try queryBlocks()
    let keyBlocks = try keyBlocks()
    let meanKeys = keyBlocks.map { Oracle.mean(keys, $0.tokens) }
    let meanValues = keyBlocks.map { Oracle.mean(values, $0.tokens) }
    var out = Array(repeating: Array(repeating: 0.0, count: values.first?.count ?? 0), count: queries.count)
    for (i, block) in queryBlocks.enumerated() {
      let meanQuery = Oracle.mean(queries, block.tokens)
      let spread =
        policy.taylor == .second ? keyBlocks.map { variance(meanQuery, $0) / 2 } : keyBlocks.map { _ in 0 }
      for token in block.tokens {
        var logits: [Double] = []
        var rows: [[Double]] = []
        for (j, keyBlock) in keyBlocks.enumerated() where !keyBlock.tokens.isEmpty && s.kept[j] {
          if s.exact[i][j] {
            for key in keyBlock.tokens {
              logits.append(score(token, key))
              rows.append(values[key])
            }
          } else if s.averaged[j] || (!s.full[i] && policy.taylor != .none) {
            logits.append(
              scale * Oracle.dot(queries[token], meanKeys[j]) + log(Double(keyBlock.tokens.count)) + spread[j])
            rows.append(meanValues[j])
          }
        }
        if case .scored(let score) = maskedKeys, !masked.isEmpty {
          logits.append(Double(score) + log(Double(masked.count)))
          rows.append(Oracle.mean(values, masked))
        }
        guard !logits.isEmpty else {
          for c in out[token].indices where !keys.isEmpty { out[token][c] = Double(emptyRows.value) }
          continue
        }
        for (weight, row) in zip(Oracle.softmax(logits), rows) {
          for c in row.indices { out[token][c] += weight * row[c] }
        }
      }
    }
    return out
  }
}
