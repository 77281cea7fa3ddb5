import CKernels
import SparseAttention

extension AttentionRun {
  /// Blocks that one task packs.
  private var chunk: Int { 4 }

  /// Keys and values of the wave's key heads, and all block means.
  func packing(_ wave: Wave) -> Pass {
    self.wave = wave
    let keyChunks = (shape.keyBlocks + chunk - 1) / chunk
    let queryChunks = needs.coarse ? (shape.queryBlocks + chunk - 1) / chunk : 0
    let keyTasks = wave.isFirst ? wave.keyHeads.count * keyChunks : 0
    return Pass(count: keyTasks + wave.heads.count * queryChunks) { [self] worker, i, _ in
      if i < keyTasks {
        packKeys(slot: i / keyChunks, chunk: i % keyChunks, workers[worker])
      } else {
        let j = i - keyTasks
        averageQueries(head: wave.heads.lowerBound + j / queryChunks, chunk: j % queryChunks, workers[worker])
      }
    }
  }

  /// The means themselves, as keys and values and as panels.
  func means(_ wave: Wave) -> Pass {
    guard needs.coarse else { return .empty }
    let tasks = wave.isFirst ? wave.keyHeads.count * shape.meanChunks : 0
    let groups = needs.excess ? shape.paddedQ / 64 : 0
    return Pass(count: tasks + wave.heads.count * groups) { [self] worker, i, _ in
      if i < tasks {
        packMeans(slots[i / shape.meanChunks], chunk: i % shape.meanChunks, workers[worker])
      } else {
        let j = i - tasks
        packMeanQueries(heads[j / groups], group: j % groups, workers[worker])
      }
    }
  }

  private func packKeys(slot: Int, chunk c: Int, _ worker: WorkerSlot) {
    let to = slots[slot]
    let h = wave.keyHeads.lowerBound + slot
    let tokens = batches[batches.count == 1 ? 0 : wave.batch].keys
    let keys = rows(problem.key, problem.element, batch: wave.batch, head: h, size: shape.headSize)
    let values = rows(problem.value, problem.element, batch: wave.batch, head: h, size: shape.valueSize)
    for j in c * chunk..<min((c + 1) * chunk, shape.keyBlocks) {
      var a = packing(keys, worker, width: shape.keyWidth, capacity: shape.blockK, brain: shape.brain)
      a.rows.tokens = tokens.tokens.base + j * shape.blockK
      a.rows.count = Int64(tokens.sizes[j])
      a.packed = to.keys + j * shape.keyBlockWords
      a.mean = needs.coarse ? to.meanKeys + j * shape.keyWidth : nil
      a.variance = needs.loss ? to.keySpread + j * shape.keyWidth : nil
      kernels.pack_keys(&a)
      let place = a.rows
      a.rows = values
      a.rows.tokens = place.tokens
      a.rows.count = place.count
      a.width = Int64(shape.valueWidth)
      a.packed = to.values + j * shape.valueBlockWords
      a.variance = nil
      a.mean = needs.coarse ? to.meanValues + j * shape.valueWidth : nil
      kernels.pack_values(&a)
    }
  }

  private func averageQueries(head: Int, chunk c: Int, _ worker: WorkerSlot) {
    let to = table(of: head)
    for i in c * chunk..<min((c + 1) * chunk, shape.queryBlocks) {
      average(
        work(head: head, block: i), to.meanQueries + i * shape.keyWidth,
        needs.loss ? to.querySpread + i * shape.keyWidth : nil, worker)
    }
  }

  /// The mean of a query block and the variances of its columns; those of 128 queries are put together from its halves.
  private func average(
    _ w: Work, _ mean: UnsafeMutablePointer<Float>, _ variance: UnsafeMutablePointer<Float>?, _ worker: WorkerSlot
  ) {
    let (otherMean, otherVariance) = (worker.tile, worker.tile + 256)
    for p in 0..<w.panels {
      var a = packing(queryRows(w, p), worker, width: shape.keyWidth, capacity: 64, brain: false)
      a.mean = p == 0 ? mean : otherMean
      a.variance = variance == nil ? nil : p == 0 ? variance : otherVariance
      kernels.mean(&a)
    }
    guard w.panels > 1 else { return }
    let second = Float(w.rows(1)) / Float(w.size)
    for c in 0..<shape.keyWidth {
      if let variance {
        let apart = mean[c] - otherMean[c]
        variance[c] =
          variance[c] * (1 - second) + otherVariance[c] * second + apart * apart * (second * (1 - second))
      }
      mean[c] = mean[c] * (1 - second) + otherMean[c] * second
    }
  }

  private func packMeans(_ s: KeySlot, chunk c: Int, _ worker: WorkerSlot) {
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

  private func packMeanQueries(_ s: HeadSlot, group: Int, _ worker: WorkerSlot) {
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
    guard needs.loss else { return }
    queries.base = UnsafeRawPointer(s.querySpread + group * 64 * shape.keyWidth)
    a = packing(queries, worker, width: shape.keyWidth, capacity: 64, brain: false)
    a.scale = problem.scale * problem.scale
    a.packed = s.spreadPanels + group * 64 * shape.keyWidth
    kernels.pack_queries(&a)
  }
}
