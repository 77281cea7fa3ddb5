import CKernels
import SparseAttention

extension AttentionCPU {
  /// Floating-point operations a second (a product and a sum are two) that one thread's registers reach on this machine:
  /// the best of several bursts, by the thread's CPU time. Nothing that loads its numbers can be faster.
  public static func peak(_ compute: ElementType, kernel: KernelRow? = nil) throws(AttentionError) -> Double {
    let row = if let kernel { kernel } else { try KernelTable.chosen() }
    let functions = row.functions
    let brain = compute == .bfloat16 && row.bfloat16
    let operations = 2 * (brain ? 2 : 1) * Double(functions.burst_products)
    let rounds = 1_000_000
    var best = 0.0
    for _ in 0..<5 {
      let start = isa_thread_seconds()
      let sum = functions.burst(brain ? 1 : 0, Int64(rounds), 0)
      let seconds = isa_thread_seconds() - start
      if sum == 0 && seconds > 0 { best = max(best, operations * Double(rounds) / seconds) }
    }
    return best
  }
}
