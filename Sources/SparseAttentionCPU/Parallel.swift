import CKernels

/// What the threads of one pass share.
private struct Pass {
  var body: (Int, Int) -> Void
  var count: Int
  var next: UnsafeMutablePointer<Int64>
}

extension TaskRunner {
  /// Calls `body(worker, index)` for every index once, the lower ones first; a thread takes the next when it is free.
  /// `worker` tells the threads apart, below `threads`.
  ///
  /// - Parameter each: nanoseconds of a task, roughly. Threads that sleep take some 50 µs to wake, so what is done before
  ///   that is done at once.
  func forEach(_ count: Int, each: Int, _ body: (_ worker: Int, _ index: Int) -> Void) {
    guard threads > 1, count > 1, count.multipliedReportingOverflow(by: each).partialValue > 60_000 else {
      for i in 0..<max(count, 0) { body(0, i) }
      return
    }
    var next: Int64 = 0
    withUnsafeMutablePointer(to: &next) { next in
      withoutActuallyEscaping(body) { body in
        var pass = Pass(body: body, count: count, next: next)
        withUnsafeMutablePointer(to: &pass) { pass in
          run(
            min(threads, count),
            { context, worker in
              guard let pass = context?.assumingMemoryBound(to: Pass.self) else { return }
              let body = pass.pointee.body
              let count = pass.pointee.count
              let next = pass.pointee.next
              while true {
                let i = Int(isa_next(next))
                if i >= count { break }
                body(worker, i)
              }
            }, UnsafeMutableRawPointer(pass))
        }
      }
    }
  }
}
