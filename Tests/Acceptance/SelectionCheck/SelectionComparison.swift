import SparseAttention

/// What a selection decides otherwise than the float64 oracle, and whether each difference is a near-tie.
///
/// The stages are judged one after the other, each given what the selection decided before: a kept block that differs
/// changes every row's choice, and that is no further difference.
struct SelectionComparison {
  /// Two scores that differ by less of the larger may swap.
  static let tie = 1e-5

  /// Pairs of blocks, and those that one computes token by token and the other does not.
  var pairs = 0
  var differing = 0
  /// Decisions (kept blocks, routes, listed pairs) that no near-tie explains.
  var notNearTies = 0

  init(_ ours: Selection, _ oracle: Oracle) throws(AttentionError) {
    let expected = try oracle.select()
    let scores = try oracle.scores()
    let policy = oracle.policy
    let queryKinds = try oracle.queryBlocks().map(\.kind)
    let keyBlocks = try oracle.keyBlocks()
    for (a, b) in zip(ours.exact, expected.exact) {
      pairs += a.count
      differing += zip(a, b).count { $0 != $1 }
    }
    guard !policy.exact else {
      notNearTies = differing
      return
    }
    let alive = keyBlocks.map { !$0.tokens.isEmpty }
    let reachable = keyBlocks.indices.filter { ours.kept[$0] && !ours.averaged[$0] }

    let context = keyBlocks.indices.filter { alive[$0] && keyBlocks[$0].kind == .context }
    if policy.contextKeep < 1, !context.isEmpty {
      let from = queryKinds.indices.filter {
        queryKinds.contains(.target) ? queryKinds[$0] == .target : queryKinds[$0] != .text
      }
      let saliency = keyBlocks.indices.map { j in from.reduce(0) { $0 + scores.coarse[$1][j] } }
      let least = Oracle.count(policy.contextKeep, of: context.count)
      notNearTies += judge(Set(reachable).intersection(context), context, saliency, threshold: nil, least: least)
    }

    let routed = queryKinds.indices.filter { queryKinds[$0] != .text }
    let full = Set(routed.filter { ours.full[$0] })
    switch policy.route {
    case .share(let share):
      let least = Oracle.count(share, of: routed.count, least: 0)
      notNearTies += judge(full, routed, scores.sharpness, threshold: nil, least: least)
    case .threshold(let t):
      notNearTies += judge(full, routed, scores.sharpness, threshold: Double(t), least: 0)
    }

    let pool = reachable.filter { keyBlocks[$0].kind != .text }
    for i in queryKinds.indices {
      let row = Set(keyBlocks.indices.filter { ours.exact[i][$0] })
      guard routed.contains(i), !full.contains(i) else {
        notNearTies += row.symmetricDifference(reachable).count
        continue
      }
      notNearTies += row.subtracting(pool).symmetricDifference(Set(reachable).subtracting(pool)).count
      let floor = Oracle.count(policy.floor, of: pool.count)
      let (threshold, least): (Double?, Int) =
        switch policy.select {
        case .density(let share): (nil, max(floor, Oracle.count(share, of: pool.count)))
        case .threshold(let t): (Double(t), floor)
        // How many cover a share is a sum of many scores: given the number, the best must be listed.
        case .coverage: (nil, row.intersection(pool).count)
        }
      notNearTies += judge(row.intersection(pool), pool, scores.rank[i], threshold: threshold, least: least)
    }
  }

  /// Of a choice from a pool that should be everything of the threshold or more and `least` at least: how many
  /// entries are wrong by more than a near-tie.
  private func judge(
    _ chosen: Set<Int>, _ pool: [Int], _ scores: [Double], threshold: Double?, least: Int
  ) -> Int {
    let sorted = pool.sorted { scores[$0] > scores[$1] || (scores[$0] == scores[$1] && $0 < $1) }
    let reaching = threshold.map { t in pool.count { scores[$0] >= t } } ?? 0
    let right = Set(sorted.prefix(max(least, reaching)))
    let extra = chosen.subtracting(right)
    let missing = right.subtracting(chosen)
    func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= SelectionComparison.tie * max(abs(a), abs(b)) }
    func nearThreshold(_ j: Int) -> Bool { threshold.map { close(scores[j], $0) } ?? false }
    let swapped = extra.count == missing.count
    let high = missing.map { scores[$0] }.max() ?? 0
    let low = extra.map { scores[$0] }.min() ?? 0
    let wrongExtra = extra.count { !nearThreshold($0) && !(swapped && close(scores[$0], high)) }
    return wrongExtra + missing.count { !nearThreshold($0) && !(swapped && close(scores[$0], low)) }
  }
}
