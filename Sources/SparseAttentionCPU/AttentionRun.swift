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
  let batches: [BatchPlan]
  /// For each head, whether its policy needs the tables.
  let gapHeads, secondHeads: [Bool]

  /// The wave.
  var first = 0
  var heads: [HeadSlot] = []
  var slots: [KeySlot] = []
  /// Which (batch, key head) stands in a slot; −1: none.
  var slotOwners: [Int] = []
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
    needs.variance = policies.contains(where: needsVariance)
    needs.bias = problem.bias != nil
    needs.probe = !probing.isEmpty
    self.needs = needs
    // What is dense needs no order: neighbours in memory stay neighbours.
    let plain = !needs.coarse
    queryBlocks = try BlockLayout(
      side: "query", segments: problem.querySegments, total: problem.queries, size: problem.blockQ,
      tile: problem.tile, plain: plain)
    keyBlocks = try BlockLayout(
      side: "key", segments: problem.keySegments, total: problem.keys, size: problem.blockK, tile: problem.tile,
      plain: plain)
    shape = Shape(
      problem, queryBlocks: queryBlocks.count, keyBlocks: keyBlocks.count,
      brain: problem.compute == .bfloat16 && row.bfloat16)
    let masks = problem.keyMask == nil || problem.keyMaskBatchStride == 0 ? min(1, problem.batch) : problem.batch
    var batches: [BatchPlan] = []
    for b in 0..<masks {
      let keys = BatchKeys(
        keyBlocks, blockSize: problem.blockK, mask: problem.keyMask.map { $0 + b * problem.keyMaskBatchStride })
      batches.append(BatchPlan(shape, keyBlocks, keys))
    }
    self.batches = batches
    let all = [problem.policies] + probing
    gapHeads = (0..<problem.heads).map { h in all.contains { needsVariance($0[h]) } }
    secondHeads = (0..<problem.heads).map { h in all.contains { !$0[h].exact } }
  }

  func batch(of head: Int) -> BatchPlan { batches[batches.count == 1 ? 0 : head / shape.heads] }
  func keyHead(of head: Int) -> Int { head / shape.heads * shape.kvHeads + head % shape.heads / shape.group }
  func slot(of head: Int) -> Int { slotOwners.firstIndex(of: keyHead(of: head)) ?? 0 }

  /// Heads that are worked on at once: enough tasks for every thread to end at about the same time, and enough work
  /// that waking the threads for each pass, some 20 µs of a block pair's 0.5, does not show.
  func waveSize(threads: Int, heads: Int) -> Int {
    guard threads > 1 else { return 1 }
    func headsFor(_ wanted: Int, each: Int) -> Int { (wanted + each - 1) / max(1, each) }
    let enough = max(
      headsFor(16 * threads, each: shape.queryBlocks),
      headsFor(8192 * threads, each: shape.queryBlocks * shape.keyBlocks))
    return max(1, min(heads, enough))
  }

  /// Cuts the scratch for waves of so many heads.
  func carve(_ carver: inout Carver, wave: Int, threads: Int) {
    slots = (0..<min(wave, shape.batch * shape.kvHeads)).map { _ in KeySlot(shape, &carver) }
    slotOwners = Array(repeating: -1, count: slots.count)
    heads = (0..<wave).map { _ in HeadSlot(shape, needs: needs, &carver) }
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

  func queryRows(_ head: Int) -> isa_rows {
    rows(
      problem.query, problem.element, batch: head / shape.heads, head: head % shape.heads, size: shape.headSize)
  }

  func outputRows(_ head: Int) -> isa_rows {
    rows(
      problem.output, problem.element, batch: head / shape.heads, head: head % shape.heads, size: shape.valueSize)
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

extension ElementType {
  /// Bytes.
  var size: Int { self == .float32 ? 4 : 2 }
}
