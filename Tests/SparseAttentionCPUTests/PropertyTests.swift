import SparseAttention
import SparseAttentionCPU
import Testing

/// What holds by definition.
@Suite struct PropertyTests {
  private func problem(_ policies: [Policy], seed: Int = 1) -> Problem {
    let p = Problem()
    p.heads = policies.count
    p.kvHeads = policies.count
    (p.querySegments, p.keySegments) = (KernelTests.video, KernelTests.video)
    p.tile = Grid(frames: 4, rows: 4, columns: 4)
    p.policies = policies
    p.fill(seed)
    return p
  }

  @Test(arguments: available, [ElementType.float32, .bfloat16])
  func listingEverythingIsDense(_ kernel: KernelRow, compute: ElementType) throws {
    let whole: [Policy] = [
      Policy(select: .density(1)), Policy(route: .share(1)), Policy(route: .threshold(0)), Policy(select: .coverage(1)),
      Policy(floor: 1), Policy(select: .threshold(0), rank: .gap), Policy(select: .threshold(0), rank: .loss),
    ]
    let p = problem(whole)
    p.compute = compute
    let sparse = try p.run(kernel)
    p.policies = whole.map { _ in .exact }
    #expect(try p.run(kernel).output == sparse.output)
    #expect(sparse.statistics[0].allSatisfy { $0[0] == 1 })
  }

  @Test(arguments: available)
  func constantBlocksNeedNoTokens(_ kernel: KernelRow) throws {
    let p = Problem()
    let segments = [Segment(.target, length: 256), Segment(.context, length: 256)]
    (p.querySegments, p.keySegments) = (segments, segments)
    p.policies = [Policy(select: .density(0))]
    p.fill(2)
    func flat(_ x: [[[[Float]]]]) -> [[[[Float]]]] { x.map { $0.map { h in h.indices.map { h[$0 / 64 * 64] } } } }
    p.set(q: p.q, k: flat(p.k), v: flat(p.v))
    let sparse = try p.run(kernel)
    #expect(sparse.statistics[0][0][0] == 0.125)
    var dense = p.reference(0, 0)
    dense.policy = .exact
    #expect(try Problem.error(sparse.output[0][0], dense.output(dense.select())) < 1e-6)
  }

  @Test(arguments: available, [ElementType.float32, .bfloat16])
  func threadsChangeNoBit(_ kernel: KernelRow, compute: ElementType) throws {
    let p = problem([
      .exact, .paper, Policy(select: .threshold(0.02), rank: .gap), Policy(contextKeep: 0.5, taylor: .second),
      Policy(select: .threshold(0.02), rank: .loss),
    ])
    p.compute = compute
    let one = try p.run(kernel)
    for threads in [2, 3, 7] {
      let more = try p.run(kernel, threads: threads)
      #expect(more.output == one.output)
      #expect(more.statistics == one.statistics)
    }
  }

  /// Where only one thread ever wakes, it does all the work and waits for nobody.
  @Test func threadsThatComeLateHoldNobodyUp() throws {
    let p = problem([.exact, .paper, Policy(rank: .gap)])
    let expected = try p.run().output
    #expect(try p.run(on: OneAfterAnother(threads: 3)).output == expected)
  }

  @Test func concurrentCallsKeepApart() async throws {
    let p = problem([.exact, .paper, Policy(rank: .gap)])
    let expected = try p.run().output
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for i in 0..<12 {
        group.addTask { try p.run(threads: 1 + i % 3).output == expected }
      }
      for try await same in group { #expect(same) }
    }
  }

  /// The same blocks as float64 decides, on every instruction set: near-ties alone may differ.
  @Test(arguments: available)
  func selections(_ kernel: KernelRow) throws {
    let policies: [Policy] = [
      .paper, Policy(contextKeep: 0.5, select: .coverage(0.5)), Policy(select: .density(0.3), rank: .gap),
      Policy(route: .threshold(0.2), select: .threshold(0.05), floor: 0.2, rank: .gap),
      Policy(route: .share(0.3), select: .coverage(0.8), rank: .gap, taylor: .none),
      Policy(select: .density(0.3), rank: .loss), Policy(contextKeep: 0.5, select: .threshold(0.03), rank: .loss),
    ]
    var pairs = 0
    var different = 0
    for seed in 0..<8 {
      let p = problem(policies, seed: seed)
      p.blockK = seed % 2 == 0 ? 64 : 32
      for (h, _) in policies.enumerated() {
        let ours = try p.select(0, h, kernel)
        let reference = p.reference(0, h)
        let expected = try reference.select()
        let scores = try reference.scores().rank
        #expect(ours.kept == expected.kept && ours.averaged == expected.averaged && ours.full == expected.full)
        for (i, row) in expected.exact.enumerated() {
          pairs += row.count
          let apart = row.indices.filter { row[$0] != ours.exact[i][$0] }
          different += apart.count
          let values = apart.map { scores[i][$0] }
          if let low = values.min(), let high = values.max() { #expect(high - low <= 1e-5 * high) }
        }
      }
    }
    #expect(pairs > 1000 && Double(different) < 0.01 * Double(pairs))
  }

  /// A context block that pre-selection drops may be what single queries match best, by far: it must not push aside what
  /// is left.
  @Test(arguments: available, [Policy.Rank.gap, .loss])
  func droppedBlocksLeaveNoTrace(_ kernel: KernelRow, _ rank: Policy.Rank) throws {
    let p = Problem()
    (p.headSize, p.valueSize) = (32, 16)
    p.querySegments = [Segment(.target, length: 128)]
    p.keySegments = [Segment(.target, length: 128), Segment(.context, length: 256)]
    p.policies = [Policy(contextKeep: 0.5, droppedContext: .drop, rank: rank)]
    p.fill(12)
    var (q, k) = (p.q, p.k)
    for i in 0..<128 {
      for c in 0..<32 { q[0][0][i][c] *= 0.1 }
      q[0][0][i][1] += 3
      // Alternating, so that the mean query does not see it.
      q[0][0][i][0] = i % 2 == 0 ? 60 : -60
    }
    for j in 0..<384 {
      for c in 0..<32 { k[0][0][j][c] *= 0.1 }
      let isHidden = (128..<192).contains(j)
      k[0][0][j][0] = isHidden ? 60 : 0
      if j >= 192 { k[0][0][j][1] += 3 }
    }
    p.set(q: q, k: k, v: p.v)
    let selection = try p.select(0, 0, kernel)
    #expect(!selection.kept[2])
    let found = try p.run(kernel).output[0][0]
    #expect(found.allSatisfy { $0.allSatisfy(\.isFinite) })
    #expect(try Problem.error(found, p.reference(0, 0).output(selection)) < 1e-5)
  }

  @Test(arguments: available)
  func forcedSelections(_ kernel: KernelRow) throws {
    let p = problem([Policy(contextKeep: 0.5), Policy(contextKeep: 0.5, droppedContext: .drop, taylor: .second)])
    var noise = Noise(9)
    let n = try p.reference(0, 0).keyBlocks().count
    let m = try p.reference(0, 0).queryBlocks().count
    let forced = (0..<2).map { _ in
      var s = Selection(kept: [], averaged: [], full: [], exact: [])
      s.kept = (0..<n).map { _ in noise.uniform() < 0.8 }
      s.averaged = s.kept.map { $0 && noise.uniform() < 0.3 }
      s.full = (0..<m).map { _ in noise.uniform() < 0.3 }
      s.exact = s.full.map { full in
        (0..<n).map { s.kept[$0] && !s.averaged[$0] && (full || noise.uniform() < 0.4) }
      }
      return s
    }
    let result = try p.run(kernel, selection: [forced])
    for h in 0..<2 {
      #expect(try Problem.error(result.output[0][h], p.reference(0, h).output(forced[h])) < 2e-6)
    }
  }

  @Test(arguments: available)
  func probe(_ kernel: KernelRow) throws {
    let p = problem([.exact, .exact])
    let grid: [[Policy]] = [
      [.exact, .exact], [Policy(rank: .gap), .paper], [Policy(select: .density(0.5)), Policy(taylor: .none)],
    ]
    let sample = [1, 3, 4]
    var probe: ProbeResult?
    let exact = try p.with {
      probe = try AttentionCPU.probe($0, policies: grid, sample: sample, on: ThreadRunner(threads: 2), kernel: kernel)
    }
    let found = try #require(probe)
    #expect(try p.run(kernel).output == exact.output)
    let blocks = try p.reference(0, 0).queryBlocks()
    for (g, policies) in grid.enumerated() {
      p.policies = policies
      let sparse = try p.run(kernel).output
      for h in 0..<2 {
        let listed = try p.select(0, h, kernel).exact
        let keyBlocks = try p.reference(0, h).keyBlocks()
        var error = 0.0
        var norm = 0.0
        var executed = 0
        var all = 0
        for i in sample {
          for token in blocks[i].tokens {
            for (x, y) in zip(sparse[0][h][token], exact.output[0][h][token]) {
              error += Double((x - y) * (x - y))
              norm += Double(y * y)
            }
          }
          for (j, block) in keyBlocks.enumerated() {
            executed += listed[i][j] ? blocks[i].tokens.count * block.tokens.count : 0
            all += blocks[i].tokens.count * block.tokens.count
          }
        }
        let entry = found[batch: 0, head: h, policy: g]
        #expect(abs(entry.squaredError - error) <= 1e-4 * error + 1e-12)
        #expect(abs(entry.squaredNorm - norm) <= 1e-4 * norm)
        #expect(abs(entry.executedDensity - Double(executed) / Double(all)) < 1e-12)
      }
    }
  }
}

/// A pool that says it has several threads, and runs its tasks one after another, the last first.
private struct OneAfterAnother: TaskRunner {
  var threads: Int
  func run(
    _ count: Int, _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void, _ context: UnsafeMutableRawPointer?
  ) {
    for i in (0..<count).reversed() { body(context, i) }
  }
}
