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
    try run.withScratch(threads: threads, heads: run.shape.batch * run.shape.heads) { wave in
      run.pack(wave, on: runner)
      run.rank(wave, on: runner)
      let plans = run.plan(wave, problem.policies, selection, on: runner)
      run.attend(wave, plans, on: runner)
      if let statistics = problem.statistics {
        for (i, head) in wave.enumerated() {
          let s = run.statistics(head, plans[i])
          for (k, x) in s.enumerated() { statistics[head * 4 + k] = x }
        }
      }
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
    try run.withScratch(threads: 1, heads: flat..<flat + 1) { wave in
      run.pack(wave, on: SerialRunner())
      run.rank(wave, on: SerialRunner())
      let plan = run.plan(wave, problem.policies, nil, on: SerialRunner())[0]
      result.kept = plan.kept
      result.averaged = plan.averaged
      result.full = plan.full
      result.exact = (0..<run.shape.queryBlocks).map { i in
        let w = run.work(head: flat, block: i)
        var listed = Array(repeating: false, count: n)
        if !plan.full[i] && plan.policy.rank == .gap {
          run.load(w, run.workers[0])
          run.multiplyMeans(w, run.workers[0])
        }
        let count = run.list(w, plan, run.workers[0])
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

extension AttentionRun {
  /// Threads to use; nil where there is nothing to compute, with the output already as it should be.
  func begin(_ problem: AttentionProblem, _ runner: some TaskRunner) -> Int? {
    let heads = shape.batch * shape.heads
    if let statistics = problem.statistics {
      for i in 0..<heads * 4 { statistics[i] = 0 }
    }
    guard heads > 0, shape.queries > 0 else { return nil }
    guard shape.keys > 0 else {
      clearOutput()
      return nil
    }
    return max(1, runner.threads)
  }

  /// No keys at all give zeros.
  private func clearOutput() {
    for b in 0..<shape.batch {
      for h in 0..<shape.heads {
        let to = rows(problem.output, problem.element, batch: b, head: h, size: shape.valueSize)
        let bytes = shape.valueSize * problem.element.size
        for i in 0..<shape.queries {
          UnsafeMutableRawPointer(mutating: to.base + i * Int(to.stride) * problem.element.size)
            .initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        }
      }
    }
  }

  /// Takes scratch and goes through the heads wave by wave.
  func withScratch(threads: Int, heads count: Int, _ body: (Range<Int>) -> Void) throws(AttentionError) {
    try withScratch(threads: threads, heads: 0..<count, body)
  }

  func withScratch(threads: Int, heads range: Range<Int>, _ body: (Range<Int>) -> Void) throws(AttentionError) {
    let wave = waveSize(threads: threads, heads: range.count)
    var counter = Carver(nil)
    carve(&counter, wave: wave, threads: threads)
    let block = try ScratchPool.shared.take(counter.used)
    defer { ScratchPool.shared.give(block) }
    var carver = Carver(block.base)
    carve(&carver, wave: wave, threads: threads)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + wave, range.upperBound)
      first = start
      body(start..<end)
      start = end
    }
  }

  /// A plan for each head of the wave.
  func plan(
    _ wave: Range<Int>, _ policies: [Policy], _ selection: [[Selection]]?, on runner: some TaskRunner
  ) -> [HeadPlan] {
    var plans: [HeadPlan?] = Array(repeating: nil, count: wave.count)
    plans.withUnsafeMutableBufferPointer { plans in
      let base = plans.baseAddress
      runner.forEach(wave.count, each: 4 * (shape.queryBlocks + shape.keyBlocks)) { worker, i in
        let head = wave.lowerBound + i
        let policy = policies[head % shape.heads]
        if let selection, !policy.exact {
          base?[i] = HeadPlan(
            policy, shape: shape, batch: batch(of: head), keyKinds: keyBlocks.kinds,
            forced: selection[head / shape.heads][head % shape.heads])
        } else {
          base?[i] = HeadPlan(
            policy, shape: shape, batch: batch(of: head), queryKinds: queryBlocks.kinds, keyKinds: keyBlocks.kinds,
            head: heads[i], worker: workers[worker], kernels: kernels)
        }
      }
    }
    return plans.compactMap { $0 }
  }

  /// Every query block of the wave, heavy ones first.
  func attend(_ wave: Range<Int>, _ plans: [HeadPlan], on runner: some TaskRunner) {
    let order = tasks(wave, plans)
    runner.forEach(order.count, each: 20_000) { worker, i in
      let (index, block) = order[i]
      let worker = workers[worker]
      let w = work(head: wave.lowerBound + index, block: block)
      load(w, worker)
      var means = false
      heads[index].executed[block] = attend(w, plans[index], worker, meansAreThere: &means) { panel, p in
        writeOutput(w, panel, p, worker)
      }
    }
  }

  /// (head of the wave, query block): full ones, then the others.
  func tasks(_ wave: Range<Int>, _ plans: [HeadPlan]) -> [(Int, Int)] {
    var order: [(Int, Int)] = []
    order.reserveCapacity(wave.count * shape.queryBlocks)
    for full in [true, false] {
      for index in 0..<wave.count {
        for block in 0..<shape.queryBlocks where plans[index].full[block] == full { order.append((index, block)) }
      }
    }
    return order
  }

  /// Executed density, share of full query blocks, context kept, mean sharpness.
  func statistics(_ head: Int, _ plan: HeadPlan) -> [Float] {
    let slot = heads[head - first]
    let n = shape.queryBlocks
    var executed = 0
    var full = 0
    var sharpness = 0.0
    var routed = 0
    for i in 0..<n {
      executed += slot.executed[i]
      full += plan.full[i] ? 1 : 0
      if queryBlocks.kinds[i] != .text && needs.coarse {
        sharpness += Double(slot.sharpness[i])
        routed += 1
      }
    }
    let all = max(1, Double(shape.queries) * Double(batch(of: head).keys.total))
    return [
      Float(Double(executed) / all), Float(full) / Float(max(1, n)), plan.contextKept,
      routed == 0 ? 0 : Float(sharpness / Double(routed)),
    ]
  }
}
