import Foundation
import SparseAttention
import SparseAttentionCPU

/// One head of the operator in float64, written from its definition and sharing nothing with the kernels.
struct Reference {
  var queries: [[Double]]
  var keys: [[Double]]
  var values: [[Double]]
  var policy: Policy
  var querySegments: [Segment]
  var keySegments: [Segment]
  var scale: Double
  var blockQ = 64
  var blockK = 64
  var tile: Grid?
  var mask: [Bool]?

  struct Block {
    var tokens: [Int]
    var kind: SegmentKind
  }

  var queryBlocks: [Block] { Self.blocks(querySegments, blockQ, tile) }
  var keyBlocks: [Block] {
    Self.blocks(keySegments, blockK, tile).map { block in
      Block(tokens: block.tokens.filter { mask?[$0] ?? true }, kind: block.kind)
    }
  }

  static func blocks(_ segments: [Segment], _ size: Int, _ tile: Grid?) -> [Block] {
    var result: [Block] = []
    var start = 0
    for segment in segments {
      let tokens = order(segment, tile).map { $0 + start }
      for a in stride(from: 0, to: tokens.count, by: size) {
        result.append(Block(tokens: Array(tokens[a..<min(a + size, tokens.count)]), kind: segment.kind))
      }
      start += segment.length
    }
    return result
  }

  /// Whole tiles, then the smaller ones.
  private static func order(_ s: Segment, _ tile: Grid?) -> [Int] {
    guard let tile, let grid = s.grid, s.kind != .text else { return Array(0..<s.length) }
    var tiles: [Int: [Int]] = [:]
    func parts(_ n: Int, _ size: Int) -> Int { (n + size - 1) / size }
    for token in 0..<s.length {
      let (f, r, c) = (token / (grid.rows * grid.columns), token / grid.columns % grid.rows, token % grid.columns)
      let index =
        (f / tile.frames * parts(grid.rows, tile.rows) + r / tile.rows) * parts(grid.columns, tile.columns)
        + c / tile.columns
      tiles[index, default: []].append(token)
    }
    let sorted = tiles.sorted { $0.key < $1.key }.map(\.value)
    let whole = tile.frames * tile.rows * tile.columns
    return (sorted.filter { $0.count == whole } + sorted.filter { $0.count < whole }).flatMap { $0 }
  }

  static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  static func mean(_ rows: [[Double]], width: Int) -> [Double] {
    (0..<width).map { c in rows.isEmpty ? 0 : rows.reduce(0) { $0 + $1[c] } / Double(rows.count) }
  }

  /// Variance of the scores of a mean query over a block's keys.
  private func variance(_ q: [Double], _ block: Block) -> Double {
    let s = block.tokens.map { scale * Self.dot(q, keys[$0]) }
    guard !s.isEmpty else { return 0 }
    let m = s.reduce(0, +) / Double(s.count)
    return s.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(s.count)
  }

  /// The output for a given selection, [queries][value size].
  func output(_ s: Selection) -> [[Double]] {
    let keyBlocks = keyBlocks
    let valueSize = values.first?.count ?? 0
    var out = Array(repeating: Array(repeating: 0.0, count: valueSize), count: queries.count)
    let meanKeys = keyBlocks.map { Self.mean($0.tokens.map { keys[$0] }, width: queries.first?.count ?? 0) }
    let meanValues = keyBlocks.map { Self.mean($0.tokens.map { values[$0] }, width: valueSize) }
    for (i, block) in queryBlocks.enumerated() {
      let meanQuery = Self.mean(block.tokens.map { queries[$0] }, width: queries.first?.count ?? 0)
      for token in block.tokens {
        var logits: [Double] = []
        var weighed: [[Double]] = []
        for (j, keyBlock) in keyBlocks.enumerated() where !keyBlock.tokens.isEmpty && s.kept[j] {
          if s.exact[i][j] {
            for key in keyBlock.tokens {
              logits.append(scale * Self.dot(queries[token], keys[key]))
              weighed.append(values[key])
            }
          } else if s.averaged[j] || (!s.full[i] && policy.taylor != .none) {
            var logit = scale * Self.dot(queries[token], meanKeys[j]) + log(Double(keyBlock.tokens.count))
            if policy.taylor == .second { logit += variance(meanQuery, keyBlock) / 2 }
            logits.append(logit)
            weighed.append(meanValues[j])
          }
        }
        guard let top = logits.max() else { continue }
        let e = logits.map { exp($0 - top) }
        let sum = e.reduce(0, +)
        for (x, row) in zip(e, weighed) {
          for c in 0..<valueSize { out[token][c] += x / sum * row[c] }
        }
      }
    }
    return out
  }

  /// Scores of all pairs of blocks by the policy's rank, coarse attention, and sharpness.
  func scores() -> (rank: [[Double]], coarse: [[Double]], sharpness: [Double]) {
    let queryBlocks = queryBlocks
    let keyBlocks = keyBlocks
    let width = queries.first?.count ?? 0
    let meanKeys = keyBlocks.map { Self.mean($0.tokens.map { keys[$0] }, width: width) }
    let meanQueries = queryBlocks.map { Self.mean($0.tokens.map { queries[$0] }, width: width) }
    let sizes = keyBlocks.map { log(Double($0.tokens.count)) }
    func softmax(_ x: [Double]) -> [Double] {
      let top = x.max() ?? 0
      let e = x.map { exp($0 - top) }
      let sum = e.reduce(0, +)
      return e.map { $0 / sum }
    }
    let coarse = meanQueries.map { q in
      softmax(zip(meanKeys, sizes).map { scale * Self.dot(q, $0.0) + $0.1 })
    }
    let alive = keyBlocks.map { !$0.tokens.isEmpty }
    let kinds: [(SegmentKind) -> Bool] = [{ $0 == .target }, { $0 != .text }, { _ in true }]
    let own =
      kinds.lazy.map { kind in keyBlocks.indices.filter { alive[$0] && kind(keyBlocks[$0].kind) } }
      .first { !$0.isEmpty } ?? []
    let sharpness = coarse.map { row in
      own.map { row[$0] }.sorted(by: >).prefix(own.isEmpty ? 0 : Self.count(1 / 16, own.count)).reduce(0, +)
    }
    guard policy.rank == .gap else { return (coarse, coarse, sharpness) }
    let rank = queryBlocks.enumerated().map { i, block in
      let v = keyBlocks.map { variance(meanQueries[i], $0) }
      var mass = Array(repeating: 0.0, count: keyBlocks.count)
      for token in block.tokens {
        let row = softmax(
          keyBlocks.indices.map { scale * Self.dot(queries[token], meanKeys[$0]) + sizes[$0] + v[$0] / 2 })
        for j in keyBlocks.indices { mass[j] += row[j] / Double(block.tokens.count) }
      }
      return keyBlocks.indices.map { -mass[$0] * expm1(-v[$0] / 2) }
    }
    return (rank, coarse, sharpness)
  }

  static func count(_ share: Float, _ n: Int, least: Int = 1) -> Int {
    min(n, max(least, Int((Double(share) * Double(n) * (1 + 1e-6) + 1e-6).rounded(.down))))
  }
  static func top(_ scores: [Double], _ indices: [Int], _ k: Int) -> [Int] {
    Array(indices.sorted { scores[$0] > scores[$1] || scores[$0] == scores[$1] && $0 < $1 }.prefix(k))
  }

  func select() -> Selection {
    let queryBlocks = queryBlocks
    let keyBlocks = keyBlocks
    let alive = keyBlocks.map { !$0.tokens.isEmpty }
    let (rank, coarse, sharpness) = scores()
    var s = Selection(
      kept: alive, averaged: alive.map { _ in false }, full: queryBlocks.map { policy.exact || $0.kind == .text },
      exact: [])
    if !policy.exact {
      let candidates = keyBlocks.indices.filter { alive[$0] && keyBlocks[$0].kind == .context }
      if policy.contextKeep < 1, !candidates.isEmpty {
        let hasTarget = queryBlocks.contains { $0.kind == .target }
        var saliency = Array(repeating: 0.0, count: keyBlocks.count)
        for (i, row) in coarse.enumerated()
        where hasTarget ? queryBlocks[i].kind == .target : queryBlocks[i].kind != .text {
          for j in row.indices { saliency[j] += row[j] }
        }
        let keep = Set(Self.top(saliency, candidates, Self.count(policy.contextKeep, candidates.count)))
        for j in candidates where !keep.contains(j) {
          if policy.droppedContext == .average { s.averaged[j] = true } else { s.kept[j] = false }
        }
      }
      let routed = queryBlocks.indices.filter { queryBlocks[$0].kind != .text }
      switch policy.route {
      case .share(let share):
        for i in Self.top(sharpness, routed, Self.count(share, routed.count, least: 0)) { s.full[i] = true }
      case .threshold(let t):
        for i in routed where sharpness[i] >= Double(t) { s.full[i] = true }
      }
    }
    let reachable = keyBlocks.indices.filter { s.kept[$0] && !s.averaged[$0] }
    let pool = reachable.filter { keyBlocks[$0].kind != .text }
    for i in queryBlocks.indices {
      var row = Array(repeating: false, count: keyBlocks.count)
      if s.full[i] {
        for j in reachable { row[j] = true }
      } else {
        for j in reachable where keyBlocks[j].kind == .text { row[j] = true }
        for j in chosen(rank[i], pool) { row[j] = true }
      }
      s.exact.append(row)
    }
    return s
  }

  private func chosen(_ scores: [Double], _ pool: [Int]) -> [Int] {
    guard !pool.isEmpty else { return [] }
    let ranked = Self.top(scores, pool, pool.count)
    var m: Int
    switch policy.select {
    case .density(let share): m = Self.count(share, pool.count)
    case .threshold(let t): m = pool.count { scores[$0] >= Double(t) }
    case .coverage(let share):
      let total = pool.reduce(0) { $0 + scores[$1] }
      m = 0
      var covered = 0.0
      while m < pool.count {
        covered += scores[ranked[m]] / total
        m += 1
        if share < 1 && (total <= 0 || covered >= Double(share) - 1e-6) { break }
      }
    }
    return Array(ranked.prefix(max(m, Self.count(policy.floor, pool.count))))
  }
}
