import CKernels
import SparseAttention

/// What a grid of policies would do to an attention, measured over a sample of its query blocks.
public struct ProbeResult: Sendable, Equatable {
  /// One policy on one (batch, head).
  public struct Entry: Sendable, Equatable {
    /// Σ (approximate − exact)² over the sampled rows.
    public var squaredError = 0.0
    /// Σ exact² over the same.
    public var squaredNorm = 0.0
    /// Share of their products computed token by token.
    public var executedDensity = 0.0
  }

  public let batch, heads, policies: Int
  /// [batch × heads × policies].
  public var entries: [Entry]

  public subscript(batch b: Int, head h: Int, policy p: Int) -> Entry { entries[(b * heads + h) * policies + p] }
}

extension AttentionCPU {
  /// How many query blocks a problem has.
  public static func queryBlockCount(_ problem: AttentionProblem) throws(AttentionError) -> Int {
    try BlockLayout(
      side: "query", segments: problem.querySegments, total: problem.queries, size: problem.blockQ, tile: problem.tile
    ).count
  }

  /// Computes the exact output, and what each policy of a grid would have done to the sampled query blocks.
  ///
  /// - Parameters:
  ///   - problem: its own policies are not looked at; the exact output is written where it says.
  ///   - policies: [grid][heads].
  ///   - sample: query blocks, in the order of the problem's tiles; nil takes all. Others are ignored.
  public static func probe(
    _ problem: AttentionProblem, policies: [[Policy]], sample: [Int]? = nil, on runner: some TaskRunner,
    kernel: KernelRow? = nil
  ) throws(AttentionError) -> ProbeResult {
    let row = if let kernel { kernel } else { try KernelTable.chosen() }
    var exact = problem
    exact.policies = Array(repeating: .exact, count: max(0, problem.heads))
    exact.statistics = nil
    for grid in policies {
      guard grid.count == problem.heads else {
        throw .unsupported("A probe's policies hold \(grid.count) heads, the attention \(problem.heads); give as many.")
      }
      if problem.bias != nil, let head = grid.firstIndex(where: { !$0.exact }) {
        throw .biasWithSparsePolicy(head: head)
      }
    }
    let run = try AttentionRun(exact, row: row, probing: policies, statistics: false)
    let count = run.shape.batch * run.shape.heads * policies.count
    var result = ProbeResult(
      batch: run.shape.batch, heads: run.shape.heads, policies: policies.count,
      entries: Array(repeating: ProbeResult.Entry(), count: count))
    guard let threads = run.begin(exact, runner) else { return result }
    var isSampled = Array(repeating: sample == nil, count: run.shape.queryBlocks)
    for i in sample ?? [] where isSampled.indices.contains(i) { isSampled[i] = true }
    try run.withScratch(threads: threads, heads: run.shape.batch * run.shape.heads) { wave in
      run.pack(wave, on: runner)
      run.rank(wave, on: runner)
      let exactPlans = run.plan(wave, exact.policies, nil, on: runner)
      let plans = policies.map { run.plan(wave, $0, nil, on: runner) }
      let entries = run.probe(wave, exactPlans, plans, isSampled, on: runner)
      for (i, entry) in entries.enumerated() { result.entries[wave.lowerBound * policies.count + i] = entry }
    }
    return result
  }
}

extension AttentionRun {
  /// One query block under one policy.
  private struct Sample {
    var sums: (error: Double, norm: Double) = (0, 0)
    var executed = 0
  }

  /// [wave × policies].
  fileprivate func probe(
    _ wave: Range<Int>, _ exact: [HeadPlan], _ plans: [[HeadPlan]], _ isSampled: [Bool], on runner: some TaskRunner
  ) -> [ProbeResult.Entry] {
    let grid = plans.count
    // Sampled blocks are the heavy ones.
    var order: [(Int, Int)] = []
    for sampled in [true, false] {
      for index in 0..<wave.count {
        for block in 0..<shape.queryBlocks where isSampled[block] == sampled { order.append((index, block)) }
      }
    }
    var samples = Array(repeating: Sample(), count: wave.count * grid * shape.queryBlocks)
    samples.withUnsafeMutableBufferPointer { samples in
      let base = samples.baseAddress
      runner.forEach(order.count, each: 20_000) { worker, i in
        let (index, block) = order[i]
        let worker = workers[worker]
        let w = work(head: wave.lowerBound + index, block: block)
        load(w, worker)
        var means = false
        _ = attend(w, exact[index], worker, meansAreThere: &means) { panel, p in
          writeOutput(w, panel, p, worker)
          if isSampled[block] { writeRows(w, panel, p, worker, to: worker.exactRows) }
        }
        guard isSampled[block], let base else { return }
        for g in 0..<grid {
          let to = base + (index * grid + g) * shape.queryBlocks + block
          to.pointee.executed = attend(w, plans[g][index], worker, meansAreThere: &means) { panel, p in
            writeRows(w, panel, p, worker, to: worker.rows)
          }
          var sums = [0.0, 0.0]
          for r in 0..<w.size {
            let offset = r * shape.valueSize
            kernels.error(worker.rows + offset, worker.exactRows + offset, Int64(shape.valueSize), &sums)
          }
          to.pointee.sums = (sums[0], sums[1])
        }
      }
    }
    return (0..<wave.count * grid).map { i in
      var entry = ProbeResult.Entry()
      var executed = 0
      var queries = 0
      for block in 0..<shape.queryBlocks where isSampled[block] {
        let s = samples[i * shape.queryBlocks + block]
        entry.squaredError += s.sums.error
        entry.squaredNorm += s.sums.norm
        executed += s.executed
        queries += queryBlocks.size(block)
      }
      let all = Double(queries) * Double(batch(of: wave.lowerBound + i / grid).keys.total)
      entry.executedDensity = Double(executed) / max(1, all)
      return entry
    }
  }
}
