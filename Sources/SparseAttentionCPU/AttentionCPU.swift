import CKernels
import SparseAttention

/// The operator on this machine's CPU.
public enum AttentionCPU {
  /// Computes one call.
  ///
  /// - Parameters:
  ///   - problem: sizes, policies and memory; the output is written where it says.
  ///   - runner: the threads. Results have the same bits for any number of them.
  ///   - selection: [batch][heads] made elsewhere, to be used instead of deciding anew.
  ///   - kernel: a row of `KernelTable`; the chosen one where nil.
  /// - Throws: `AttentionError` where sizes, segments or policies do not fit, or memory is short.
  ///
  /// Float32 products are within 2e-6 relative L2 of float64 on unit Gaussian data, bfloat16 ones within 5e-3.
  public static func run(
    _ problem: AttentionProblem, on runner: some TaskRunner, selection: [[Selection]]? = nil, kernel: KernelRow? = nil
  ) throws(AttentionError) {
    let row = if let kernel { kernel } else { try KernelTable.chosen() }
    let run = try AttentionRun(problem, row: row, statistics: problem.statistics != nil)
    guard let threads = run.begin(problem, runner) else { return }
    try run.withScratch(threads: threads) { waves in
      let passes = run.passes(waves, [problem.policies], selection) { wave in
        run.attending(wave)
      } after: { wave in
        guard let statistics = problem.statistics else { return }
        for head in wave.heads {
          let s = run.statistics(head, run.plans(of: head).list[0])
          for (k, x) in s.enumerated() { statistics[head * 4 + k] = x }
        }
      }
      runner.run(passes, threads: threads)
    }
  }

  /// Gives the scratch that calls left behind back to the system; the next call takes its own again.
  public static func releaseScratch() { ScratchPool.shared.clear() }

  /// What `run` decides for one (batch, head).
  public static func select(
    _ problem: AttentionProblem, batch: Int, head: Int, on runner: some TaskRunner = SerialRunner(),
    kernel: KernelRow? = nil
  ) throws(AttentionError) -> Selection {
    let row = if let kernel { kernel } else { try KernelTable.chosen() }
    let run = try AttentionRun(problem, row: row, statistics: true)
    guard (0..<problem.batch).contains(batch), (0..<problem.heads).contains(head) else {
      throw .unsupported("There is no head \(head) in batch entry \(batch).")
    }
    let n = run.shape.keyBlocks
    var result = Selection(kept: [], averaged: [], full: [], exact: [])
    let flat = batch * problem.heads + head
    try run.withScratch(head: flat) { wave in
      let passes = run.passes([wave], [problem.policies], nil) { _ in .empty } after: { _ in }
      SerialRunner().run(passes, threads: 1)
      let plan = run.plans(of: flat).list[0]
      result.kept = plan.kept
      result.averaged = plan.averaged
      result.full = plan.full
      result.exact = (0..<run.shape.queryBlocks).map { i in
        let w = run.work(head: flat, block: i)
        var listed = Array(repeating: false, count: n)
        if !plan.full[i] && plan.policy.rank != .mass {
          run.load(w, run.workers[0])
          run.multiplyMeans(w, run.workers[0])
        }
        let (count, _) = run.list(w, plan, run.workers[0])
        var keys = 0
        for k in 0..<count {
          let j = Int(run.workers[0].list[k])
          listed[j] = true
          keys += Int(run.batch(of: flat).keys.sizes[j])
        }
        run.heads[0].executed[i] = keys * w.size
        return listed
      }
      result.statistics = run.statistics(flat, plan)
    }
    return result
  }
}
