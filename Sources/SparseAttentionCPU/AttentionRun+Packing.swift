import CKernels
import SparseAttention

extension AttentionRun {
  /// Blocks that one task packs.
  private var chunk: Int { 4 }

  /// Keys and values of the wave's key heads, and all block means.
  func pack(_ wave: Range<Int>, on runner: some TaskRunner) {
    let wanted = Array(Set(wave.map(keyHead))).sorted()
    for i in slotOwners.indices where !wanted.contains(slotOwners[i]) { slotOwners[i] = -1 }
    var fresh: [Int] = []
    for owner in wanted where !slotOwners.contains(owner) {
      guard let free = slotOwners.firstIndex(of: -1) else { continue }
      slotOwners[free] = owner
      fresh.append(free)
    }
    let keyChunks = (shape.keyBlocks + chunk - 1) / chunk
    let queryChunks = needs.coarse ? (shape.queryBlocks + chunk - 1) / chunk : 0
    let keyTasks = fresh.count * keyChunks
    runner.forEach(keyTasks + wave.count * queryChunks, each: chunk * 1_500) { worker, i in
      if i < keyTasks {
        packKeys(slot: fresh[i / keyChunks], chunk: i % keyChunks, workers[worker])
      } else {
        let j = i - keyTasks
        averageQueries(head: wave.lowerBound + j / queryChunks, chunk: j % queryChunks, workers[worker])
      }
    }
    guard needs.coarse else { return }
    // The means themselves, as keys and values and as panels.
    let meanTasks = fresh.count * shape.meanChunks
    let groups = needs.variance ? shape.paddedQ / 64 : 0
    runner.forEach(meanTasks + wave.count * groups, each: 2_000) { worker, i in
      if i < meanTasks {
        packMeans(slot: fresh[i / shape.meanChunks], chunk: i % shape.meanChunks, workers[worker])
      } else {
        let j = i - meanTasks
        packMeanQueries(head: wave.lowerBound + j / groups, group: j % groups, workers[worker])
      }
    }
  }

  private func packKeys(slot: Int, chunk c: Int, _ worker: WorkerSlot) {
    let owner = slotOwners[slot]
    let to = slots[slot]
    let b = owner / shape.kvHeads
    let h = owner % shape.kvHeads
    let batch = batches[batches.count == 1 ? 0 : b]
    let keys = rows(problem.key, problem.element, batch: b, head: h, size: shape.headSize)
    let values = rows(problem.value, problem.element, batch: b, head: h, size: shape.valueSize)
    batch.keys.tokens.withUnsafeBufferPointer { tokens in
      for j in c * chunk..<min((c + 1) * chunk, shape.keyBlocks) {
        let place = tokens.baseAddress.map { $0 + j * shape.blockK }
        var a = packing(keys, worker, width: shape.keyWidth, capacity: shape.blockK, brain: shape.brain)
        a.rows.tokens = place
        a.rows.count = Int64(batch.keys.sizes[j])
        a.packed = to.keys + j * shape.keyBlockWords
        a.mean = needs.coarse ? to.meanKeys + j * shape.keyWidth : nil
        kernels.pack_keys(&a)
        a.rows = values
        a.rows.tokens = place
        a.rows.count = Int64(batch.keys.sizes[j])
        a.width = Int64(shape.valueWidth)
        a.packed = to.values + j * shape.valueBlockWords
        a.mean = needs.coarse ? to.meanValues + j * shape.valueWidth : nil
        kernels.pack_values(&a)
      }
    }
  }

  private func averageQueries(head: Int, chunk c: Int, _ worker: WorkerSlot) {
    let to = heads[head - first]
    for i in c * chunk..<min((c + 1) * chunk, shape.queryBlocks) {
      average(work(head: head, block: i), to.meanQueries + i * shape.keyWidth, worker)
    }
  }

  /// The mean of a query block; that of 128 queries is put together from its halves.
  private func average(_ w: Work, _ mean: UnsafeMutablePointer<Float>, _ worker: WorkerSlot) {
    queryBlocks.tokens.withUnsafeBufferPointer { tokens in
      for p in 0..<w.panels {
        var a = packing(queryRows(w.head), worker, width: shape.keyWidth, capacity: 64, brain: false)
        a.rows.tokens = tokens.baseAddress.map { $0 + w.start + p * 64 }
        a.rows.count = Int64(w.rows(p))
        a.mean = p == 0 ? mean : worker.tile
        kernels.mean(&a)
      }
    }
    guard w.panels > 1 else { return }
    let second = Float(w.rows(1)) / Float(w.size)
    for c in 0..<shape.keyWidth { mean[c] = mean[c] * (1 - second) + worker.tile[c] * second }
  }

  private func packMeans(slot: Int, chunk c: Int, _ worker: WorkerSlot) {
    let s = slots[slot]
    let count = min(64, shape.keyBlocks - c * 64)
    var keys = isa_rows()
    keys.base = UnsafeRawPointer(s.meanKeys + c * 64 * shape.keyWidth)
    keys.stride = Int64(shape.keyWidth)
    keys.count = Int64(count)
    keys.size = Int64(shape.keyWidth)
    keys.element = ElementType.float32.rawValue
    var a = packing(keys, worker, width: shape.keyWidth, capacity: 64, brain: shape.brain)
    a.packed = s.packedMeanKeys + c * 64 * shape.words
    kernels.pack_keys(&a)
    a.bf16 = 0
    a.scale = shape.scale
    a.packed = s.coarsePanels + c * 64 * shape.keyWidth
    kernels.pack_queries(&a)
    var values = keys
    values.base = UnsafeRawPointer(s.meanValues + c * 64 * shape.valueWidth)
    values.stride = Int64(shape.valueWidth)
    values.size = Int64(shape.valueWidth)
    a = packing(values, worker, width: shape.valueWidth, capacity: 64, brain: shape.brain)
    a.packed = s.packedMeanValues + c * 64 * shape.valueWidth / shape.pack
    kernels.pack_values(&a)
  }

  private func packMeanQueries(head: Int, group: Int, _ worker: WorkerSlot) {
    let s = heads[head - first]
    var queries = isa_rows()
    queries.base = UnsafeRawPointer(s.meanQueries + group * 64 * shape.keyWidth)
    queries.stride = Int64(shape.keyWidth)
    queries.count = Int64(min(64, shape.queryBlocks - group * 64))
    queries.size = Int64(shape.keyWidth)
    queries.element = ElementType.float32.rawValue
    var a = packing(queries, worker, width: shape.keyWidth, capacity: 64, brain: shape.brain)
    a.scale = shape.scale
    a.packed = s.queryPanels + group * 64 * shape.words
    kernels.pack_queries(&a)
  }
}
