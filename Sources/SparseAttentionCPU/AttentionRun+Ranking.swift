import CKernels
import SparseAttention

extension AttentionRun {
  /// Coarse attention with sharpness, and the tables of excess: everything that looks at all pairs of blocks.
  func ranking(_ wave: Wave) -> Pass {
    guard needs.coarse else { return .empty }
    let strip = 16
    let strips = (shape.queryBlocks + strip - 1) / strip
    let groups = shape.paddedQ / 64
    let batchesOfKeys = (shape.keyBlocks + 15) / 16
    let tables =
      wave.heads.filter { varianceHeads[$0 % shape.heads] }.map { ($0, ISA_HALF_VARIANCE) }
      + wave.heads.filter { lossHeads[$0 % shape.heads] }.map { ($0, ISA_LOSS) }
    let excessTasks = tables.count * groups * batchesOfKeys
    return Pass(count: excessTasks + wave.heads.count * strips) { [self] worker, i, _ in
      if i < excessTasks {
        let (head, kind) = tables[i / (groups * batchesOfKeys)]
        let rest = i % (groups * batchesOfKeys)
        excess(kind, head: head, group: rest / batchesOfKeys, keys: rest % batchesOfKeys, workers[worker])
      } else {
        let j = i - excessTasks
        coarseRows(
          head: wave.heads.lowerBound + j / strips, from: j % strips * strip,
          to: min((j % strips + 1) * strip, shape.queryBlocks), workers[worker])
      }
    }
  }

  private func excess(_ kind: Int, head: Int, group: Int, keys: Int, _ worker: WorkerSlot) {
    let to = table(of: head)
    let batch = batch(of: head)
    let count = min(64, shape.queryBlocks - group * 64)
    var a = isa_excess()
    a.kind = Int32(kind)
    a.panel = UnsafePointer(to.queryPanels + group * 64 * shape.words)
    a.packed = packed(slot(of: head))
    a.sizes = batch.keys.sizes.base
    a.first = Int64(keys * 16)
    a.count = Int64(min(16, shape.keyBlocks - keys * 16))
    a.columns = Int64((count + 15) & ~15)
    a.out = (kind == ISA_LOSS ? to.loss : to.halfVariance) + group * 64 * shape.paddedK
    a.out_stride = Int64(shape.paddedK)
    a.s = worker.square
    a.tile = worker.tile
    a.query_spread = UnsafePointer(to.spreadPanels + group * 64 * shape.keyWidth)
    a.key_spread = UnsafePointer(slot(of: head).keySpread)
    a.spread_width = Int64(shape.keyWidth)
    a.about = worker.exponentials
    batch.logSizes.withUnsafeBufferPointer { sizes in
      a.log_sizes = sizes.baseAddress
      kernels.excess(&a)
    }
  }

  private func coarseRows(head: Int, from: Int, to end: Int, _ worker: WorkerSlot) {
    let to = table(of: head)
    let keys = slot(of: head)
    let batch = batch(of: head)
    for c in 0..<shape.meanChunks {
      var a = isa_scores()
      a.panel = UnsafePointer(keys.coarsePanels + c * 64 * shape.keyWidth)
      a.rows = UnsafePointer(to.meanQueries + from * shape.keyWidth)
      a.row_stride = Int64(shape.keyWidth)
      a.steps = Int64(shape.headSize)
      a.count = Int64(end - from)
      a.out = to.coarse + from * shape.paddedK + c * 64
      a.out_stride = Int64(shape.paddedK)
      a.columns = Int64(min(64, (shape.keyBlocks - c * 64 + 15) & ~15))
      kernels.scores(&a)
    }
    batch.logSizes.withUnsafeBufferPointer { logSizes in
      batch.own.withUnsafeBufferPointer { own in
        for i in from..<end {
          let row = to.coarse + i * shape.paddedK
          for j in (shape.keyBlocks + 15) & ~15..<max((shape.keyBlocks + 15) & ~15, shape.paddedK) { row[j] = 0 }
          var a = isa_soften()
          a.row = row
          a.log_sizes = logSizes.baseAddress
          a.own = own.baseAddress
          a.count = Int64(shape.paddedK)
          a.top = Int64(batch.sharpest)
          a.scratch = worker.choosing
          to.sharpness[i] = kernels.soften(&a)
        }
      }
    }
  }

  func packed(_ slot: KeySlot) -> isa_packed {
    var p = isa_packed()
    p.keys = UnsafePointer(slot.keys)
    p.values = UnsafePointer(slot.values)
    p.key_block = Int64(shape.keyBlockWords)
    p.value_block = Int64(shape.valueBlockWords)
    p.key_stride = Int64(shape.words)
    p.steps = Int64(shape.steps)
    p.width = Int64(shape.valueWidth)
    p.capacity = Int64(shape.blockK)
    p.bf16 = shape.brain ? 1 : 0
    return p
  }
}
