import CKernels
import SparseAttention

extension AttentionRun {
  /// One query block of one head, while it is in a worker's hands.
  struct Work {
    let head: Int
    let block: Int
    /// Rows of the block.
    let size: Int
    var panels: Int { (size + 63) / 64 }
    func rows(_ panel: Int) -> Int { min(64, size - panel * 64) }
  }

  func work(head: Int, block: Int) -> Work {
    Work(head: head, block: block, size: queryBlocks.size(block))
  }

  /// Packs the block's queries.
  func load(_ w: Work, _ worker: WorkerSlot) {
    for p in 0..<w.panels {
      var a = packing(queryRows(w, p), worker, width: shape.keyWidth, capacity: 64, brain: shape.brain)
      a.scale = shape.scale
      a.packed = worker.queries + p * shape.words * 64
      kernels.pack_queries(&a)
    }
  }

  /// q·k̄ of every query and key block: for ranking by a lost mass and for the Taylor terms.
  func multiplyMeans(_ w: Work, _ worker: WorkerSlot) {
    let keys = slot(of: w.head)
    for p in 0..<w.panels {
      var a = isa_scores()
      a.panel = UnsafePointer(worker.queries + p * shape.words * 64)
      a.rows = UnsafePointer(keys.packedMeanKeys)
      a.row_stride = Int64(shape.words)
      a.steps = Int64(shape.steps)
      a.count = Int64(shape.keyBlocks)
      a.out = worker.meanScores + p * shape.paddedK * 64
      a.out_stride = 64
      a.columns = 64
      a.bf16 = shape.brain ? 1 : 0
      kernels.scores(&a)
    }
  }

  /// Which key blocks this query block computes token by token: the worker's list, ascending; how many.
  /// With the largest excess that they were ranked by, in bits; nil where they were not.
  func list(_ w: Work, _ plan: HeadPlan, _ worker: WorkerSlot) -> (count: Int, excess: Float?) {
    let n = shape.keyBlocks
    if let forced = plan.forced {
      var count = 0
      for j in 0..<n where forced[w.block][j] && plan.kept[j] {
        worker.list[count] = Int32(truncatingIfNeeded: j)
        count += 1
      }
      return (count, nil)
    }
    if plan.full[w.block] {
      for (i, j) in plan.reachable.enumerated() { worker.list[i] = j }
      return (plan.reachable.count, nil)
    }
    let excess = choose(w, plan, worker)
    for j in plan.always { worker.flags[Int(j)] = 1 }
    var count = 0
    for j in 0..<n {
      worker.list[count] = Int32(truncatingIfNeeded: j)
      count += Int(worker.flags[j])
    }
    return (count, excess)
  }

  private func choose(_ w: Work, _ plan: HeadPlan, _ worker: WorkerSlot) -> Float? {
    let head = table(of: w.head)
    guard plan.poolCount > 0 else {
      for j in 0..<shape.paddedK { worker.flags[j] = 0 }
      return nil
    }
    var choice = isa_choose()
    var excess: Float?
    switch plan.policy.rank {
    case .mass: choice.scores = UnsafePointer(head.coarse + w.block * shape.paddedK)
    case .gap, .loss:
      excess = scoreByLostMass(w, plan.policy.rank, worker)
      choice.scores = UnsafePointer(worker.row)
    }
    let floor = Shape.count(plan.policy.floor, of: plan.poolCount)
    choice.padded = Int64(shape.paddedK)
    choice.pool_count = Int64(plan.poolCount)
    choice.least = Int64(floor)
    switch plan.policy.select {
    case .density(let share):
      choice.kind = Int32(ISA_CHOOSE_COUNT)
      choice.least = Int64(max(floor, Shape.count(share, of: plan.poolCount)))
    case .coverage(let share):
      choice.kind = Int32(ISA_CHOOSE_COVERAGE)
      choice.value = share
    case .threshold(let value):
      choice.kind = Int32(ISA_CHOOSE_THRESHOLD)
      choice.value = value
    }
    choice.flags = worker.flags
    choice.scratch = worker.choosing
    plan.pool.withUnsafeBufferPointer { pool in
      choice.pool = pool.baseAddress
      kernels.choose(&choice)
    }
    return excess
  }

  /// The worker's row of scores and excess, and the exponentials that they are made from.
  /// The largest excess, in bits.
  private func scoreByLostMass(_ w: Work, _ rank: Policy.Rank, _ worker: WorkerSlot) -> Float {
    let sizes = batch(of: w.head).logSizes
    let place = w.block * shape.paddedK
    let table = table(of: w.head)
    for j in 0..<shape.keyBlocks {
      worker.excess[j] = rank == .loss ? table.loss[place + j] : boundedGap(table.halfVariance[place + j], sizes[j])
    }
    for j in shape.keyBlocks..<shape.paddedK { worker.excess[j] = 0 }
    let apart = w.panels > 1 ? shape.paddedK * 64 : 0
    var a = isa_lost()
    a.scores.0 = UnsafePointer(worker.meanScores)
    a.scores.1 = UnsafePointer(worker.meanScores + apart)
    a.exponentials.0 = worker.exponentials
    a.exponentials.1 = worker.exponentials + apart
    a.references.0 = worker.references
    a.references.1 = worker.references + (w.panels > 1 ? 64 : 0)
    a.queries.0 = Int64(w.rows(0))
    a.queries.1 = Int64(w.panels > 1 ? w.rows(1) : 0)
    a.panels = Int64(w.panels)
    a.excess = UnsafePointer(worker.excess)
    a.count = Int64(shape.keyBlocks)
    a.padded = Int64(shape.paddedK)
    a.factors = worker.factors
    a.scratch = worker.choosing
    a.out = worker.row
    return sizes.withUnsafeBufferPointer { sizes in
      a.log_sizes = sizes.baseAddress
      return kernels.lost(&a)
    }
  }

  /// A block of n keys cannot have more than n times the mass of its mean key's share; a Gaussian's excess has no bound.
  private func boundedGap(_ halfVariance: Float, _ logSize: Float) -> Float {
    min(halfVariance, max(0, logSize * 0.6931471805599453))
  }

  /// The largest excess, in bits, under which the terms may reuse the exponentials of ranking: their reference is as much
  /// higher than the terms' own at most, which costs float32's range but no precision.
  private var mostExcessForReuse: Float { 24 }

  /// Whether the exponentials hold the terms up to a factor a block; if so, the worker's terms become those factors.
  private func reusesExponentials(_ plan: HeadPlan, excess: Float?, _ worker: WorkerSlot) -> Bool {
    guard let excess, plan.policy.taylor != .second, plan.dropsNothing, excess <= mostExcessForReuse else {
      return false
    }
    for j in 0..<shape.keyBlocks {
      worker.terms[j] = worker.terms[j] > -Float.infinity ? worker.factors[j] : 0
    }
    return true
  }

  /// The worker's biases of the terms: log2 of the keys, −∞ for what is listed or stands for nothing.
  private func prepareTerms(_ w: Work, _ plan: HeadPlan, _ listed: Int, _ worker: WorkerSlot) {
    let source = plan.full[w.block] ? plan.fullTerms : plan.sparseTerms
    source.withUnsafeBufferPointer { source in
      if plan.policy.taylor == .second {
        let half = table(of: w.head).halfVariance + w.block * shape.paddedK
        for j in 0..<shape.keyBlocks { worker.terms[j] = source[j] + half[j] * 1.4426950408889634 }
      } else {
        for j in 0..<shape.keyBlocks { worker.terms[j] = source[j] }
      }
    }
    for i in 0..<listed { worker.terms[Int(worker.list[i])] = -.infinity }
  }

  /// Everything for one query block under one plan: list, attend, terms, rows out. What this worker takes next comes
  /// nearer meanwhile.
  func attend(
    _ w: Work, _ plan: HeadPlan, _ worker: WorkerSlot, next: Work? = nil, meansAreThere: inout Bool,
    output: (_ panel: isa_panel, _ index: Int) -> Void
  ) -> Int {
    let terms = plan.full[w.block] ? plan.hasFullTerms : plan.hasSparseTerms
    let ranksByLostMass = plan.forced == nil && !plan.full[w.block] && plan.policy.rank != .mass
    if (terms || ranksByLostMass) && !meansAreThere {
      multiplyMeans(w, worker)
      meansAreThere = true
    }
    let (listed, excess) = list(w, plan, worker)
    if terms { prepareTerms(w, plan, listed, worker) }
    let reuses = terms && reusesExponentials(plan, excess: excess, worker)
    let slot = self.slot(of: w.head)
    let batch = batch(of: w.head)
    for p in 0..<w.panels {
      var panel = worker.panel
      panel.q = worker.queries + p * shape.words * 64
      kernels.begin(&panel, Int64(shape.valueWidth))
      var a = isa_attend()
      a.panel = panel
      a.packed = packed(slot)
      a.list = UnsafePointer(worker.list)
      a.count = Int64(listed)
      a.ahead = UnsafePointer(worker.ahead)
      // Terms come first: meanwhile the first listed block comes nearer.
      if terms {
        var t = isa_terms()
        t.panel = panel
        t.means = a.packed
        t.means.values = UnsafePointer(slot.packedMeanValues)
        t.means.value_block = Int64(64 / shape.pack * shape.valueWidth)
        t.means.capacity = 64
        t.scores = UnsafePointer(worker.meanScores + p * shape.paddedK * 64)
        t.bias = UnsafePointer(worker.terms)
        if reuses {
          t.exponentials = UnsafePointer(worker.exponentials + p * shape.paddedK * 64)
          t.references = UnsafePointer(worker.references + p * 64)
          t.factors = UnsafePointer(worker.terms)
        }
        t.count = Int64(shape.keyBlocks)
        if listed > 0 { t.next = a.packed.keys + Int(worker.list[0]) * shape.keyBlockWords }
        kernels.terms(&t)
      }
      a.sizes = batch.keys.sizes.base
      if batch.takesMasked || problem.bias != nil {
        a.bias = bias(w, worker, takesMasked: batch.takesMasked)
        a.bias.queries = queryTokens.tokens.base + w.block * shape.blockQ + p * 64
        a.bias.count = Int64(w.rows(p))
        a.bias.keys = batch.keys.tokens.base
      }
      // Memory that is far apart and in no cache, asked for while products keep the core busy.
      var ahead = 0
      if let next, p == w.panels - 1 {
        for p in 0..<next.panels { ask(queryRows(next, p), worker, &ahead) }
      }
      ask(outputRows(w, p), worker, &ahead)
      a.ahead_count = Int64(ahead)
      kernels.attend(&a)
      if let score = problem.maskedScore { addMasked(score, w, panel, p, shift: a.bias.shift, worker) }
      output(panel, p)
    }
    var keys = 0
    for i in 0..<listed { keys += Int(batch.keys.sizes[Int(worker.list[i])]) }
    return keys * w.size
  }

  private func bias(_ w: Work, _ worker: WorkerSlot, takesMasked: Bool) -> isa_bias {
    var a = isa_bias()
    if let view = problem.bias {
      let offset = w.head / shape.heads * view.batchStride + w.head % shape.heads * view.headStride
      a.base = view.base + offset * problem.element.size
      a.query_stride = Int64(view.queryStride)
      a.key_stride = Int64(view.keyStride)
    }
    if takesMasked, let mask = problem.keyMask {
      a.mask = mask + w.head / shape.heads * problem.keyMaskBatchStride
      a.added = problem.maskedBias ?? 0
    }
    a.bias_first = problem.biasFirst ? 1 : 0
    a.unit = 0.6931471805599453 / problem.biasScale
    a.factor = problem.biasScale
    a.replaces = problem.replacingBias
    a.shift = worker.shift
    a.element = problem.element.rawValue
    a.block_k = Int64(shape.blockK)
    a.scratch = worker.bias
    return a
  }

  /// Adds the cache lines of a tensor's rows to what the worker wants soon, if there is room.
  private func ask(_ rows: isa_rows, _ worker: WorkerSlot, _ ahead: inout Int) {
    guard let base = rows.base, let tokens = rows.tokens else { return }
    let stride = Int(rows.stride) * problem.element.size
    let lines = (Int(rows.size) * problem.element.size + 63) / 64
    guard ahead + Int(rows.count) * lines <= WorkerSlot.mostAhead else { return }
    var to = worker.ahead + ahead
    for i in 0..<Int(rows.count) {
      let start = base + Int(tokens[i]) &* stride
      for k in 0..<lines { to[k] = start + k &* 64 }
      to += lines
    }
    ahead += Int(rows.count) * lines
  }

  /// Writes a panel's rows to the output tensor.
  func writeOutput(_ w: Work, _ panel: isa_panel, _ p: Int, _ worker: WorkerSlot) {
    let to = outputRows(w, p)
    var a = isa_finish()
    a.panel = panel
    a.width = Int64(shape.valueWidth)
    a.base = UnsafeMutableRawPointer(mutating: to.base)
    a.stride = to.stride
    a.count = to.count
    a.size = to.size
    a.element = to.element
    a.scratch = worker.tile
    a.tokens = to.tokens
    a.empty = problem.emptyRow
    kernels.finish(&a)
  }

  /// Writes a panel's rows as float32, packed.
  func writeRows(_ w: Work, _ panel: isa_panel, _ p: Int, _ worker: WorkerSlot, to rows: UnsafeMutablePointer<Float>) {
    var a = isa_finish()
    a.panel = panel
    a.width = Int64(shape.valueWidth)
    a.base = UnsafeMutableRawPointer(rows + p * 64 * shape.valueSize)
    a.stride = Int64(shape.valueSize)
    a.count = Int64(w.rows(p))
    a.size = Int64(shape.valueSize)
    a.element = ElementType.float32.rawValue
    a.scratch = worker.tile
    kernels.finish(&a)
  }
}
