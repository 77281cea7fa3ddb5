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
      side: "query", segments: problem.querySegments, total: problem.queries, size: problem.blockQ, tile: problem.tile,
      edges: problem.edges
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
    let samples = Samples(count: count * run.shape.queryBlocks)
    try run.withScratch(threads: threads) { waves in
      // The exact plan comes first.
      let passes = run.passes(waves, [exact.policies] + policies, nil) { wave in
        run.probing(wave, policies.count, isSampled, samples)
      } after: { _ in }
      runner.run(passes, threads: threads)
    }
    for i in result.entries.indices {
      result.entries[i] = run.entry(head: i / policies.count, samples.memory + i * run.shape.queryBlocks, isSampled)
    }
    return result
  }
}

/// One query block under one policy.
private struct Sample {
  var sums: (error: Double, norm: Double) = (0, 0)
  var executed = 0
}

/// [batch × heads × policies × query blocks], each written by one task.
private final class Samples {
  let memory: UnsafeMutablePointer<Sample>

  init(count: Int) {
    memory = .allocate(capacity: max(1, count))
    memory.initialize(repeating: Sample(), count: count)
  }

  deinit { memory.deallocate() }
}

extension AttentionRun {
  fileprivate func probing(
    _ wave: Wave, _ grid: Int, _ isSampled: [Bool], _ samples: Samples
  ) -> Pass {
    attending(wave, heavy: { isSampled[$1] }) { w, worker, next in
      let plans = self.plans(of: w.head).list
      var means = false
      _ = self.attend(w, plans[0], worker, next: next, meansAreThere: &means) { panel, p in
        self.writeOutput(w, panel, p, worker)
        if isSampled[w.block] { self.writeRows(w, panel, p, worker, to: worker.exactRows) }
      }
      guard isSampled[w.block] else { return }
      for g in 0..<grid {
        let to = samples.memory + (w.head * grid + g) * self.shape.queryBlocks + w.block
        to.pointee.executed = self.attend(w, plans[g + 1], worker, meansAreThere: &means) { panel, p in
          self.writeRows(w, panel, p, worker, to: worker.rows)
        }
        var sums = [0.0, 0.0]
        for r in 0..<w.size {
          let offset = r * self.shape.valueSize
          self.kernels.error(worker.rows + offset, worker.exactRows + offset, Int64(self.shape.valueSize), &sums)
        }
        to.pointee.sums = (sums[0], sums[1])
      }
    }
  }

  /// Sums the sampled query blocks of one policy on one head.
  fileprivate func entry(head: Int, _ samples: UnsafePointer<Sample>, _ isSampled: [Bool]) -> ProbeResult.Entry {
    var entry = ProbeResult.Entry()
    var executed = 0
    var queries = 0
    for block in 0..<shape.queryBlocks where isSampled[block] {
      let s = samples[block]
      entry.squaredError += s.sums.error
      entry.squaredNorm += s.sums.norm
      executed += s.executed
      queries += queryBlocks.size(block)
    }
    let all = Double(queries) * Double(batch(of: head).keys.total)
    entry.executedDensity = Double(executed) / max(1, all)
    return entry
  }
}
