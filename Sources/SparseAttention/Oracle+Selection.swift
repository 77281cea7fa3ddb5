#if canImport(Glibc)
  import Glibc
#endif

extension Oracle {
  /// What is known of all pairs of blocks before anything is decided.
  public struct Scores: Sendable {
    /// [query blocks][key blocks]: what the policy ranks by, and coarse attention.
    public var rank, coarse: [[Double]]
    /// [query blocks].
    public var sharpness: [Double]
  }

  /// How many of n blocks a share buys: rounded down (a float32's error forgiven), `least` at least, n at most.
  public static func count(_ share: Float, of n: Int, least: Int = 1) -> Int {
    let bought = (Double(share) * Double(n) * (1 + 1e-6) + 1e-6).rounded(.down)
    return min(n, max(least, bought >= Double(n) ? n : bought > 0 ? Int(bought) : 0))
  }

  /// The k of these indices with the largest scores; of equals, the lower index; NaN ranks lowest.
  static func top(_ scores: [Double], _ indices: [Int], _ k: Int) -> [Int] {
    func value(_ i: Int) -> Double { scores[i].isNaN ? -.infinity : scores[i] }
    return Array(indices.sorted { value($0) > value($1) || (value($0) == value($1) && $0 < $1) }.prefix(k))
  }

  public func scores() throws(AttentionError) -> Scores {
    let queryBlocks = try queryBlocks()
    let keyBlocks = try keyBlocks()
    let meanKeys = keyBlocks.map { Oracle.mean(keys, $0.tokens) }
    let meanQueries = queryBlocks.map { Oracle.mean(queries, $0.tokens) }
    let sizes = keyBlocks.map { log(Double($0.tokens.count)) }
    let coarse = meanQueries.map { q in
      Oracle.softmax(keyBlocks.indices.map { scale * Oracle.dot(q, meanKeys[$0]) + sizes[$0] })
    }
    // Sharpness looks at the target's blocks; without one, at all but the text's; else at all.
    let alive = keyBlocks.indices.filter { !keyBlocks[$0].tokens.isEmpty }
    let choices = [
      alive.filter { keyBlocks[$0].kind == .target }, alive.filter { keyBlocks[$0].kind != .text }, alive,
    ]
    let own = choices.first { !$0.isEmpty } ?? []
    let many = own.isEmpty ? 0 : Oracle.count(1 / 16, of: own.count)
    let sharpness = coarse.map { row in own.map { row[$0] }.sorted(by: >).prefix(many).reduce(0, +) }
    guard policy.rank != .mass else { return Scores(rank: coarse, coarse: coarse, sharpness: sharpness) }
    let rank = queryBlocks.indices.map { i in
      let excess = excess(queryBlocks[i], meanQueries[i], keyBlocks)
      var mass = Array(repeating: 0.0, count: keyBlocks.count)
      for token in queryBlocks[i].tokens {
        let row = Oracle.softmax(
          keyBlocks.indices.map { scale * Oracle.dot(queries[token], meanKeys[$0]) + sizes[$0] + excess[$0] })
        for j in row.indices { mass[j] += row[j] / Double(queryBlocks[i].tokens.count) }
      }
      return mass.indices.map { -mass[$0] * expm1(-excess[$0]) }
    }
    return Scores(rank: rank, coarse: coarse, sharpness: sharpness)
  }

  /// Pre-selection, routing and listing.
  public func select() throws(AttentionError) -> Selection {
    if let bare { return try bare.select() }
    let queryBlocks = try queryBlocks()
    let keyBlocks = try keyBlocks()
    let scores = try scores()
    let alive = keyBlocks.map { !$0.tokens.isEmpty }
    var s = Selection(
      kept: alive, averaged: alive.map { _ in false },
      full: queryBlocks.map { policy.exact || $0.kind == .text }, exact: [])
    if !policy.exact {
      preselect(&s, queryBlocks, keyBlocks, scores.coarse)
      let routed = queryBlocks.indices.filter { queryBlocks[$0].kind != .text }
      switch policy.route {
      case .share(let share):
        for i in Oracle.top(scores.sharpness, routed, Oracle.count(share, of: routed.count, least: 0)) {
          s.full[i] = true
        }
      case .threshold(let least):
        for i in routed where scores.sharpness[i] >= Double(least) { s.full[i] = true }
      }
    }
    let reachable = keyBlocks.indices.filter { s.kept[$0] && !s.averaged[$0] }
    let pool = reachable.filter { keyBlocks[$0].kind != .text }
    for i in queryBlocks.indices {
      var row = alive.map { _ in false }
      for j in reachable where s.full[i] || keyBlocks[j].kind == .text { row[j] = true }
      if !s.full[i] {
        for j in listed(scores.rank[i], pool) { row[j] = true }
      }
      s.exact.append(row)
    }
    s.statistics = statistics(s, queryBlocks, keyBlocks, scores.sharpness)
    return s
  }

  private func preselect(_ s: inout Selection, _ queryBlocks: [Block], _ keyBlocks: [Block], _ coarse: [[Double]]) {
    let candidates = keyBlocks.indices.filter { s.kept[$0] && keyBlocks[$0].kind == .context }
    guard policy.contextKeep < 1, !candidates.isEmpty else { return }
    let hasTarget = queryBlocks.contains { $0.kind == .target }
    var saliency = Array(repeating: 0.0, count: keyBlocks.count)
    for i in queryBlocks.indices where hasTarget ? queryBlocks[i].kind == .target : queryBlocks[i].kind != .text {
      for j in saliency.indices { saliency[j] += coarse[i][j] }
    }
    let keep = Set(Oracle.top(saliency, candidates, Oracle.count(policy.contextKeep, of: candidates.count)))
    for j in candidates where !keep.contains(j) {
      switch policy.droppedContext {
      case .average: s.averaged[j] = true
      case .drop: s.kept[j] = false
      }
    }
  }

  /// What a sparse query block lists of the pool.
  private func listed(_ row: [Double], _ pool: [Int]) -> [Int] {
    guard !pool.isEmpty else { return [] }
    let ranked = Oracle.top(row, pool, pool.count)
    var many: Int
    switch policy.select {
    case .density(let share): many = Oracle.count(share, of: pool.count)
    case .threshold(let least): many = pool.count { row[$0] >= Double(least) }
    case .coverage(let share) where share >= 1: many = pool.count
    case .coverage(let share):
      let total = pool.reduce(0) { $0 + row[$1] }
      var covered = 0.0
      many = 0
      repeat {
        covered += total > 0 ? row[ranked[many]] / total : 1
        many += 1
      } while many < pool.count && covered < Double(share) - 1e-6
    }
    return Array(ranked.prefix(max(many, Oracle.count(policy.floor, of: pool.count))))
  }

  private func statistics(
    _ s: Selection, _ queryBlocks: [Block], _ keyBlocks: [Block], _ sharpness: [Double]
  ) -> [Float] {
    var executed = 0
    var all = 0
    for i in queryBlocks.indices {
      for j in keyBlocks.indices {
        let pairs = queryBlocks[i].tokens.count * keyBlocks[j].tokens.count
        all += pairs
        executed += s.exact[i][j] ? pairs : 0
      }
    }
    let context = keyBlocks.indices.filter { keyBlocks[$0].kind == .context && !keyBlocks[$0].tokens.isEmpty }
    let reached = context.count { s.kept[$0] && !s.averaged[$0] }
    let routed = queryBlocks.indices.filter { queryBlocks[$0].kind != .text }
    return [
      Float(Double(executed) / Double(max(1, all))),
      Float(Double(s.full.count { $0 }) / Double(max(1, s.full.count))),
      context.isEmpty ? 1 : Float(Double(reached) / Double(context.count)),
      routed.isEmpty ? 0 : Float(routed.reduce(0) { $0 + sharpness[$1] } / Double(routed.count)),
    ]
  }
}
