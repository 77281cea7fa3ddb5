import Glibc
import SparseAttention
import SparseAttentionCPU

// Stand-in until the kernels land: float32, exact.
enum AttentionCPU {
  static func run(_ p: AttentionProblem, on runner: some TaskRunner) throws(AttentionError) {
    guard p.element == .float32 else { throw .unsupported("float32 only") }
    var p = p
    withUnsafeMutablePointer(to: &p) { pointer in
      runner.run(
        pointer.pointee.batch * pointer.pointee.heads,
        { context, index in
          guard let p = context?.assumingMemoryBound(to: AttentionProblem.self).pointee else { return }
          let b = index / p.heads, h = index % p.heads, g = h / (p.heads / p.kvHeads)
          func at(_ v: TensorView, _ h: Int, _ t: Int) -> UnsafeMutablePointer<Float> {
            v.base.assumingMemoryBound(to: Float.self) + b * v.batchStride + h * v.headStride + t * v.tokenStride
          }
          for i in 0..<p.queries {
            let q = at(p.query, h, i), o = at(p.output, h, i)
            var logits = [Float](repeating: 0, count: p.keys)
            for j in 0..<p.keys {
              let k = at(p.key, g, j)
              for d in 0..<p.headSize { logits[j] += q[d] * k[d] }
              logits[j] *= p.scale
              if let bias = p.bias {
                logits[j] +=
                  bias.base.assumingMemoryBound(to: Float.self)[
                    b * bias.batchStride + h * bias.headStride + i * bias.queryStride + j * bias.keyStride]
              }
              if let mask = p.keyMask, mask[b * p.keyMaskBatchStride + j] == 0 { logits[j] = -.infinity }
            }
            for d in 0..<p.valueSize { o[d] = 0 }
            let top = logits.max() ?? -.infinity
            if top == -.infinity { continue }
            var sum: Float = 0
            for j in 0..<p.keys { sum += expf(logits[j] - top) }
            for j in 0..<p.keys {
              let w = expf(logits[j] - top) / sum, v = at(p.value, g, j)
              for d in 0..<p.valueSize { o[d] += w * v[d] }
            }
          }
        }, UnsafeMutableRawPointer(pointer))
    }
  }
}
