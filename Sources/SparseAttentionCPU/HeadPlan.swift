import CKernels
import Glibc
import SparseAttention

/// What is the same for all heads of a batch entry.
struct BatchPlan {
  let keys: BlockTokens
  /// [paddedK]: log2 of a block's keys, −∞ where it has none and in the padding.
  var logSizes: [Float]
  /// [paddedK]: 0 for the blocks that sharpness looks at, −∞ elsewhere.
  var own: [Float]
  /// How many blocks make a query block's sharpness.
  var sharpest: Int
  /// Its masked keys are among the keys: attended to exactly, with `maskedBias`.
  let takesMasked: Bool

  init(_ shape: Shape, _ blocks: BlockLayout, _ keys: BlockTokens, takesMasked: Bool = false) {
    self.keys = keys
    self.takesMasked = takesMasked
    let n = blocks.count
    logSizes = Array(repeating: -.infinity, count: shape.paddedK)
    own = logSizes
    func alive(_ j: Int) -> Bool { keys.sizes[j] > 0 }
    for j in 0..<n where alive(j) { logSizes[j] = log2Size(keys.sizes[j]) }
    // The target's; without one all but the text's; else all.
    let choices: [(SegmentKind) -> Bool] = [{ $0 == .target }, { $0 != .text }, { _ in true }]
    var count = 0
    for choice in choices where count == 0 {
      for j in 0..<n where alive(j) && choice(blocks.kinds[j]) {
        own[j] = 0
        count += 1
      }
    }
    sharpest = count == 0 ? 0 : Shape.count(1 / 16, of: count)
  }
}

/// log2 of a block's keys.
private func log2Size(_ n: Int32) -> Float { logs[Int(min(max(n, 0), 64))] }
private let logs: [Float] = (0...64).map { $0 == 0 ? -.infinity : Float(log2(Double($0))) }

/// The plans of one (batch, head), one for each policy: written by one task, read by later passes.
final class HeadPlans {
  var list: [HeadPlan] = []
}

/// What one policy decides for a whole (batch, head), before its query blocks are looked at one by one.
struct HeadPlan {
  let policy: Policy
  /// Blocks that may be computed token by token, ascending.
  var reachable: [Int32] = []
  /// [paddedK]: 0 where a sparse query block chooses from, −∞ elsewhere.
  var pool: [Float]
  var poolCount = 0
  /// Text keys, always listed.
  var always: [Int32] = []
  /// [paddedK]: log2 of the keys of blocks that may stand as one term, for full and for sparse query blocks; else −∞.
  var fullTerms, sparseTerms: [Float]
  var hasFullTerms = false, hasSparseTerms = false
  /// Whether no block with keys was dropped: then the largest of all blocks' scores is that of one that takes part.
  var dropsNothing = true
  /// [queryBlocks].
  var full: [Bool]
  var averaged: [Bool]
  var kept: [Bool]
  var contextKept: Float = 1
  /// Decided elsewhere: [queryBlocks][keyBlocks].
  var forced: [[Bool]]?

  /// Pre-selection and routing. `coarse` and `sharpness` of the head's slot must be there unless the policy is exact.
  init(
    _ policy: Policy, shape: Shape, batch: BatchPlan, queryKinds: [SegmentKind], keyKinds: [SegmentKind],
    head: HeadSlot, worker: WorkerSlot, kernels: isa_kernels
  ) {
    self.policy = policy
    let n = shape.keyBlocks
    pool = Array(repeating: -.infinity, count: shape.paddedK)
    fullTerms = pool
    sparseTerms = pool
    averaged = Array(repeating: false, count: n)
    full = Array(repeating: policy.exact, count: shape.queryBlocks)
    kept = (0..<n).map { batch.keys.sizes[$0] > 0 }
    if !policy.exact {
      preselect(shape, queryKinds, keyKinds, head, worker, kernels)
      route(shape, queryKinds, head, worker, kernels)
    }
    finish(shape, batch, keyKinds)
  }

  /// The same from a selection that was made elsewhere.
  init(_ policy: Policy, shape: Shape, batch: BatchPlan, keyKinds: [SegmentKind], forced s: Selection) {
    self.policy = policy
    pool = Array(repeating: -.infinity, count: shape.paddedK)
    fullTerms = pool
    sparseTerms = pool
    averaged = s.averaged
    full = s.full
    kept = (0..<shape.keyBlocks).map { batch.keys.sizes[$0] > 0 && s.kept[$0] }
    forced = s.exact
    finish(shape, batch, keyKinds)
  }

  private mutating func preselect(
    _ shape: Shape, _ queryKinds: [SegmentKind], _ keyKinds: [SegmentKind], _ head: HeadSlot, _ worker: WorkerSlot,
    _ kernels: isa_kernels
  ) {
    guard policy.contextKeep < 1 else { return }
    var candidates = Array(repeating: -Float.infinity, count: shape.paddedK)
    var count = 0
    for j in 0..<shape.keyBlocks where kept[j] && keyKinds[j] == .context {
      candidates[j] = 0
      count += 1
    }
    guard count > 0 else { return }
    let saliency = worker.row
    for j in 0..<shape.paddedK { saliency[j] = 0 }
    let hasTarget = queryKinds.contains(.target)
    for i in 0..<shape.queryBlocks where hasTarget ? queryKinds[i] == .target : queryKinds[i] != .text {
      kernels.accumulate(saliency, head.coarse + i * shape.paddedK, Int64(shape.paddedK))
    }
    candidates.withUnsafeBufferPointer { candidates in
      var choice = isa_choose()
      choice.scores = UnsafePointer(saliency)
      choice.pool = candidates.baseAddress
      choice.padded = Int64(shape.paddedK)
      choice.pool_count = Int64(count)
      choice.kind = Int32(ISA_CHOOSE_COUNT)
      choice.least = Int64(Shape.count(policy.contextKeep, of: count))
      choice.flags = worker.flags
      choice.scratch = worker.choosing
      kernels.choose(&choice)
    }
    for j in 0..<shape.keyBlocks where candidates[j] == 0 && worker.flags[j] == 0 {
      switch policy.droppedContext {
      case .average: averaged[j] = true
      case .drop: kept[j] = false
      }
    }
  }

  private mutating func route(
    _ shape: Shape, _ queryKinds: [SegmentKind], _ head: HeadSlot, _ worker: WorkerSlot, _ kernels: isa_kernels
  ) {
    var routed = Array(repeating: -Float.infinity, count: shape.paddedQ)
    var count = 0
    for i in 0..<shape.queryBlocks {
      if queryKinds[i] == .text {
        full[i] = true
      } else {
        routed[i] = 0
        count += 1
      }
    }
    switch policy.route {
    case .threshold(let value):
      for i in 0..<shape.queryBlocks where routed[i] == 0 && head.sharpness[i] >= value { full[i] = true }
    case .share(let share):
      let bought = Shape.count(share, of: count, least: 0)
      guard bought > 0 else { return }
      for i in shape.queryBlocks..<shape.paddedQ { head.sharpness[i] = 0 }
      routed.withUnsafeBufferPointer { routed in
        var choice = isa_choose()
        choice.scores = UnsafePointer(head.sharpness)
        choice.pool = routed.baseAddress
        choice.padded = Int64(shape.paddedQ)
        choice.pool_count = Int64(count)
        choice.kind = Int32(ISA_CHOOSE_COUNT)
        choice.least = Int64(bought)
        choice.flags = worker.flags
        choice.scratch = worker.choosing
        kernels.choose(&choice)
      }
      for i in 0..<shape.queryBlocks where routed[i] == 0 && worker.flags[i] != 0 { full[i] = true }
    }
  }

  private mutating func finish(_ shape: Shape, _ batch: BatchPlan, _ keyKinds: [SegmentKind]) {
    var context = 0
    var keptContext = 0
    for j in 0..<shape.keyBlocks {
      let reaches = kept[j] && !averaged[j]
      if reaches {
        reachable.append(Int32(truncatingIfNeeded: j))
        if keyKinds[j] == .text {
          always.append(Int32(truncatingIfNeeded: j))
        } else {
          pool[j] = 0
          poolCount += 1
        }
      }
      if keyKinds[j] == .context && batch.keys.sizes[j] > 0 {
        context += 1
        if reaches { keptContext += 1 }
      }
      if !kept[j] && batch.keys.sizes[j] > 0 { dropsNothing = false }
      if kept[j] {
        if averaged[j] {
          fullTerms[j] = batch.logSizes[j]
          hasFullTerms = true
        }
        if averaged[j] || policy.taylor != .none {
          sparseTerms[j] = batch.logSizes[j]
          hasSparseTerms = true
        }
      }
    }
    if context > 0 { contextKept = Float(keptContext) / Float(context) }
  }
}
