import CKernels
import Glibc
import SparseAttention

extension AttentionRun {
  /// The masked keys of a panel's rows as one term, exactly, since they share a score: ln of how many they are, and the
  /// mean of their values. Nearly always it weighs nothing, and is not computed.
  func addMasked(
    _ score: Float, _ w: Work, _ panel: isa_panel, _ p: Int, shift: UnsafeMutablePointer<Float>?, _ worker: WorkerSlot
  ) {
    let masked = shape.keys - batch(of: w.head).keys.total
    guard masked > 0, let mask = problem.keyMask else { return }
    // Sums are of 2^-8 at least where there is a key, and 2^-160 is nothing beside them.
    let negligible: Float = -160
    func logit(_ row: Int) -> Float {
      max((score - (shift?[row] ?? 0)) * 1.4426950408889634, -Float.greatestFiniteMagnitude)
    }
    let rows = (0..<w.rows(p)).filter { panel.l[$0] == 0 || logit($0) - panel.m[$0] > negligible }
    guard !rows.isEmpty else { return }
    let sum = maskedValues(w, mask + w.head / shape.heads * problem.keyMaskBatchStride)
    for row in rows {
      let x = logit(row)
      let o = panel.o + row * shape.valueWidth
      if x > panel.m[row] {
        let factor = Glibc.exp2(panel.m[row] - x)
        panel.m[row] = x
        panel.l[row] *= factor
        for c in 0..<shape.valueSize { o[c] *= factor }
      }
      let weight = Glibc.exp2(x - panel.m[row])
      panel.l[row] += weight * Float(masked)
      for c in 0..<shape.valueSize { o[c] += weight * sum[c] }
    }
  }

  /// Sum of the values of a head's masked keys.
  private func maskedValues(_ w: Work, _ mask: UnsafePointer<UInt8>) -> [Float] {
    let values = rows(
      problem.value, problem.element, batch: w.head / shape.heads, head: w.head % shape.heads / shape.group,
      size: shape.valueSize)
    var sum = Array(repeating: 0.0, count: shape.valueSize)
    for token in 0..<shape.keys where mask[token] == 0 {
      let offset = token * Int(values.stride)
      for c in 0..<shape.valueSize { sum[c] += Double(element(values.base, offset + c)) }
    }
    return sum.map { Float($0) }
  }

  private func element(_ base: UnsafeRawPointer, _ index: Int) -> Float {
    switch problem.element {
    case .float32: base.assumingMemoryBound(to: Float.self)[index]
    case .float16: isa_from_half(base.assumingMemoryBound(to: UInt16.self)[index])
    case .bfloat16: isa_from_brain(base.assumingMemoryBound(to: UInt16.self)[index])
    }
  }
}
