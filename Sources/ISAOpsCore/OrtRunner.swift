import CORT
import SparseAttentionCPU

/// ONNX Runtime's own threads: the session's intra-op pool and the calling thread.
struct OrtRunner: TaskRunner {
  let api: Api
  let context: OpaquePointer

  // A kernel is not told how many threads the pool has. More than the CPUs would not help; with fewer, ONNX Runtime
  // runs the tasks one after another.
  var threads: Int { OrtRunner.processors }

  static let processors = max(1, Int(cort_processors()))

  func run(
    _ count: Int, _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void, _ user: UnsafeMutableRawPointer?
  ) {
    guard count > 0 else { return }
    let status = withoutActuallyEscaping(body) {
      api.KernelContext_ParallelFor(context, $0, count, 0, user)
    }
    // It only fails where there is no pool to ask: the work is done here then.
    if api.failure(status) != nil {
      for i in 0..<count { body(user, i) }
    }
  }
}
