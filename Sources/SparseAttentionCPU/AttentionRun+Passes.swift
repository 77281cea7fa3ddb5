import CKernels
import SparseAttention

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
    // Where all of it is done before a thread could wake: some 50 µs, at 100 multiplications a nanosecond.
    let pairs = Double(heads) * Double(shape.queries) * Double(shape.keys)
    let products = pairs * Double(shape.keyWidth + shape.valueWidth)
    return products < 1e7 ? 1 : max(1, runner.threads)
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

  /// Takes scratch and cuts the heads into waves: enough query blocks for every thread to end at about the same time, and
  /// no more, since packed keys and values that come again soon are still in a cache.
  func withScratch(threads: Int, _ body: ([Wave]) -> Void) throws(AttentionError) {
    let blocks = max(1, shape.queryBlocks)
    let wanted = threads > 1 ? (32 * threads + blocks - 1) / blocks : 1
    // Whole groups of heads that share keys, or a part of one at a time.
    let keyHeads = min(max(1, wanted / shape.group), shape.kvHeads)
    let heads = keyHeads > 1 ? keyHeads * shape.group : min(wanted, shape.group)
    var waves: [Wave] = []
    for b in 0..<shape.batch {
      for firstKey in stride(from: 0, to: shape.kvHeads, by: keyHeads) {
        let keys = firstKey..<min(firstKey + keyHeads, shape.kvHeads)
        let end = b * shape.heads + keys.upperBound * shape.group
        for first in stride(from: b * shape.heads + keys.lowerBound * shape.group, to: end, by: heads) {
          waves.append(
            Wave(
              batch: b, keyHeads: keys, heads: first..<min(first + heads, end),
              isFirst: first % shape.heads == keys.lowerBound * shape.group))
        }
      }
    }
    try withScratch(threads: threads, keyHeads: keyHeads, heads: heads) { body(waves) }
  }

  /// The same for one (batch, head) alone.
  func withScratch(head: Int, _ body: (Wave) -> Void) throws(AttentionError) {
    let keyHead = head % shape.heads / shape.group
    let wave = Wave(batch: head / shape.heads, keyHeads: keyHead..<keyHead + 1, heads: head..<head + 1, isFirst: true)
    try withScratch(threads: 1, keyHeads: 1, heads: 1) { body(wave) }
  }

  private func withScratch(threads: Int, keyHeads: Int, heads: Int, _ body: () -> Void) throws(AttentionError) {
    var counter = Carver(nil)
    carve(&counter, keyHeads: keyHeads, heads: heads, threads: threads)
    let block = try ScratchPool.shared.take(counter.used)
    defer { ScratchPool.shared.give(block) }
    var carver = Carver(block.base)
    carve(&carver, keyHeads: keyHeads, heads: heads, threads: threads)
    body()
  }

  /// All passes of a call: `attending` makes the last one of a wave, and `after` follows it.
  func passes(
    _ waves: [Wave], _ policies: [[Policy]], _ selection: [[Selection]]?, attending: @escaping (_ wave: Wave) -> Pass,
    after: @escaping (_ wave: Wave) -> Void
  ) -> [() -> Pass] {
    waves.flatMap { wave -> [() -> Pass] in
      [
        { self.packing(wave) }, { self.means(wave) }, { self.ranking(wave) },
        { self.planning(wave, policies, selection) }, { attending(wave) },
        {
          after(wave)
          return .empty
        },
      ]
    }
  }

  /// A plan for each head of the wave and each set of policies.
  private func planning(_ wave: Wave, _ policies: [[Policy]], _ selection: [[Selection]]?) -> Pass {
    Pass(count: wave.heads.count) { [self] worker, i, _ in
      let head = wave.heads.lowerBound + i
      plans(of: head).list = policies.map { policies in
        let policy = batch(of: head).takesMasked ? .exact : policies[head % shape.heads]
        if let selection, !policy.exact {
          return HeadPlan(
            policy, shape: shape, batch: batch(of: head), keyKinds: keyBlocks.kinds,
            forced: selection[head / shape.heads][head % shape.heads])
        }
        return HeadPlan(
          policy, shape: shape, batch: batch(of: head), queryKinds: queryBlocks.kinds, keyKinds: keyBlocks.kinds,
          head: table(of: head), worker: workers[worker], kernels: kernels)
      }
    }
  }

  /// Every query block of the wave, heavy ones first.
  func attending(_ wave: Wave) -> Pass {
    attending(wave, heavy: { self.plans(of: $0).list[0].full[$1] }) { w, worker, next in
      var means = false
      let executed = self.attend(w, self.plans(of: w.head).list[0], worker, next: next, meansAreThere: &means) {
        self.writeOutput(w, $0, $1, worker)
      }
      self.table(of: w.head).executed[w.block] = executed
    }
  }

  /// `body` for every query block of a wave, heavy ones first, its queries loaded; with the one that the worker takes
  /// next.
  func attending(
    _ wave: Wave, heavy: (_ head: Int, _ block: Int) -> Bool,
    _ body: @escaping (_ w: Work, _ worker: WorkerSlot, _ next: Work?) -> Void
  ) -> Pass {
    var order: [Work] = []
    order.reserveCapacity(wave.heads.count * shape.queryBlocks)
    for wanted in [true, false] {
      for head in wave.heads {
        for block in 0..<shape.queryBlocks where heavy(head, block) == wanted {
          order.append(work(head: head, block: block))
        }
      }
    }
    return Pass(count: order.count) { [self] worker, i, next in
      load(order[i], workers[worker])
      body(order[i], workers[worker], next.map { order[$0] })
    }
  }

  /// Executed density, share of full query blocks, context kept, mean sharpness.
  func statistics(_ head: Int, _ plan: HeadPlan) -> [Float] {
    let slot = table(of: head)
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
