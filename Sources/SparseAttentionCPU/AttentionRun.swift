import CKernels
import SparseAttention

/// One call: its sizes, its order of tokens, and where its tables stand while a wave of heads is worked on.
///
/// A wave goes through passes, each parallel over blocks: pack keys, values and means; coarse attention and variances;
/// pre-selection and routing; then every query block by itself. What a task computes depends on nothing but its index,
/// so the result has the same bits at any number of threads.
final class AttentionRun {
  let problem: AttentionProblem
  let shape: Shape
  let kernels: isa_kernels
  let needs: Needs
  let queryBlocks, keyBlocks: BlockLayout
  let queryTokens: BlockTokens
  let batches: [BatchPlan]
  /// For each head, whether its policies need the table.
  let varianceHeads, lossHeads: [Bool]

  /// The wave, with the tables of its heads and its key heads.
  var wave = Wave(batch: 0, keyHeads: 0..<0, heads: 0..<0, isFirst: true)
  var heads: [HeadSlot] = []
  var plans: [HeadPlans] = []
  var slots: [KeySlot] = []
  var workers: [WorkerSlot] = []

  init(
    _ problem: AttentionProblem, row: KernelRow, probing: [[Policy]] = [], statistics: Bool
  ) throws(AttentionError) {
    try Shape.check(problem)
    self.problem = problem
    kernels = row.functions
    let policies = problem.policies + probing.flatMap { $0 }
    var needs = Needs()
    needs.coarse = statistics || policies.contains { !$0.exact }
    func needsVariance(_ p: Policy) -> Bool { !p.exact && (p.rank == .gap || p.taylor == .second) }
    func needsLoss(_ p: Policy) -> Bool { !p.exact && p.rank == .loss }
    needs.variance = policies.contains(where: needsVariance)
    needs.loss = policies.contains(where: needsLoss)
    needs.bias = problem.bias != nil || problem.maskedBias != nil
    needs.probe = !probing.isEmpty
    self.needs = needs
    // What is dense needs no order: neighbours in memory stay neighbours.
    let plain = !needs.coarse
    queryBlocks = try BlockLayout(
      side: "query", segments: problem.querySegments, total: problem.queries, size: problem.blockQ,
      tile: problem.tile, edges: problem.edges, plain: plain)
    keyBlocks = try BlockLayout(
      side: "key", segments: problem.keySegments, total: problem.keys, size: problem.blockK, tile: problem.tile,
      edges: problem.edges, plain: plain)
    queryTokens = BlockTokens(queryBlocks, blockSize: problem.blockQ, mask: nil)
    shape = Shape(
      problem, queryBlocks: queryBlocks.count, keyBlocks: keyBlocks.count,
      brain: problem.compute == .bfloat16 && row.bfloat16)
    let masks = problem.keyMask == nil || problem.keyMaskBatchStride == 0 ? min(1, problem.batch) : problem.batch
    var batches: [BatchPlan] = []
    for b in 0..<masks {
      let keys = BlockTokens(
        keyBlocks, blockSize: problem.blockK, mask: problem.keyMask.map { $0 + b * problem.keyMaskBatchStride })
      if problem.maskedBias != nil, problem.keyMask != nil, keys.total == 0 || problem.bias != nil {
        let all = BlockTokens(keyBlocks, blockSize: problem.blockK, mask: nil)
        batches.append(BatchPlan(shape, keyBlocks, all, takesMasked: true))
      } else {
        batches.append(BatchPlan(shape, keyBlocks, keys))
      }
    }
    self.batches = batches
    let all = [problem.policies] + probing
    varianceHeads = (0..<problem.heads).map { h in all.contains { needsVariance($0[h]) } }
    lossHeads = (0..<problem.heads).map { h in all.contains { needsLoss($0[h]) } }
  }

  func batch(of head: Int) -> BatchPlan { batches[batches.count == 1 ? 0 : head / shape.heads] }
  func slot(of head: Int) -> KeySlot { slots[head % shape.heads / shape.group - wave.keyHeads.lowerBound] }
  func table(of head: Int) -> HeadSlot { heads[head - wave.heads.lowerBound] }
  func plans(of head: Int) -> HeadPlans { plans[head - wave.heads.lowerBound] }

  /// Cuts the scratch for waves of so many key heads and heads.
  func carve(_ carver: inout Carver, keyHeads: Int, heads count: Int, threads: Int) {
    slots = (0..<keyHeads).map { _ in KeySlot(shape, needs: needs, &carver) }
    heads = (0..<count).map { _ in HeadSlot(shape, needs: needs, &carver) }
    plans = (0..<count).map { _ in HeadPlans() }
    workers = (0..<threads).map { _ in WorkerSlot(shape, needs: needs, &carver) }
  }

  // MARK: Rows of the tensors

  func rows(_ view: TensorView, _ element: ElementType, batch: Int, head: Int, size: Int) -> isa_rows {
    var r = isa_rows()
    let offset = batch * view.batchStride + head * view.headStride
    r.base = UnsafeRawPointer(view.base + offset * element.size)
    r.stride = Int64(view.tokenStride)
    r.element = element.rawValue
    r.size = Int64(size)
    return r
  }

  /// A panel's rows of the queries, and of the output.
  func queryRows(_ w: Work, _ panel: Int) -> isa_rows { panelRows(problem.query, w, panel, size: shape.headSize) }
  func outputRows(_ w: Work, _ panel: Int) -> isa_rows { panelRows(problem.output, w, panel, size: shape.valueSize) }

  private func panelRows(_ view: TensorView, _ w: Work, _ panel: Int, size: Int) -> isa_rows {
    var r = rows(view, problem.element, batch: w.head / shape.heads, head: w.head % shape.heads, size: size)
    r.tokens = queryTokens.tokens.base + w.block * shape.blockQ + panel * 64
    r.count = Int64(w.rows(panel))
    return r
  }

  func packing(_ rows: isa_rows, _ worker: WorkerSlot, width: Int, capacity: Int, brain: Bool) -> isa_pack {
    var a = isa_pack()
    a.rows = rows
    a.width = Int64(width)
    a.capacity = Int64(capacity)
    a.bf16 = brain ? 1 : 0
    a.scale = 1
    a.scratch = worker.packing
    return a
  }
}

/// Heads that are worked on at once: some key heads of a batch entry, and (batch, head)s that read them.
struct Wave {
  let batch: Int
  let keyHeads: Range<Int>
  let heads: Range<Int>
  /// Others before it have not packed the same keys.
  let isFirst: Bool
}

extension ElementType {
  /// Bytes.
  var size: Int { self == .float32 ? 4 : 2 }
}
