import CKernels

/// Tasks that may run at once, after all of the pass before.
struct Pass {
  let count: Int
  /// A worker, told from the others by a number below the threads'; a task; the one that this worker does next, so that
  /// its memory can be asked for meanwhile.
  let task: (_ worker: Int, _ index: Int, _ next: Int?) -> Void

  static var empty: Pass { Pass(count: 0) { _, _, _ in } }
}

extension TaskRunner {
  /// Runs passes one after another, each made when the one before has ended; lower tasks begin first.
  ///
  /// The threads are woken once for all of them: that takes some 50 µs, more than many a pass.
  func run(_ passes: [() -> Pass], threads: Int) {
    guard threads > 1 else {
      for make in passes {
        let pass = make()
        for i in 0..<pass.count { pass.task(0, i, i + 1 < pass.count ? i + 1 : nil) }
      }
      return
    }
    let progress = Progress(passes)
    withExtendedLifetime(progress) {
      run(
        threads,
        { context, worker in
          guard let context else { return }
          Unmanaged<Progress>.fromOpaque(context).takeUnretainedValue().work(worker)
        }, Unmanaged.passUnretained(progress).toOpaque())
    }
  }
}

/// How far the threads of one call are. Whoever ends a pass makes the next, and only begun tasks are waited for: a thread
/// that wakes late, or never, holds nobody up.
private final class Progress {
  private let makers: [() -> Pass]
  private let passes: UnsafeMutablePointer<Pass>
  /// Passes that are there to be worked on; for each, tasks begun and tasks ended. Each in cache lines of its own.
  private let counters: UnsafeMutablePointer<Int64>
  private static let stride = 16

  init(_ makers: [() -> Pass]) {
    self.makers = makers
    passes = .allocate(capacity: makers.count + 1)
    passes.initialize(repeating: .empty, count: makers.count + 1)
    counters = .allocate(capacity: (2 * makers.count + 1) * Self.stride)
    counters.initialize(repeating: 0, count: (2 * makers.count + 1) * Self.stride)
    make(0)
  }

  deinit {
    passes.deinitialize(count: makers.count + 1)
    passes.deallocate()
    counters.deallocate()
  }

  private var ready: UnsafeMutablePointer<Int64> { counters }
  private func begun(_ pass: Int) -> UnsafeMutablePointer<Int64> { counters + (2 * pass + 1) * Self.stride }
  private func ended(_ pass: Int) -> UnsafeMutablePointer<Int64> { counters + (2 * pass + 2) * Self.stride }

  /// Makes the pass `first`, and those after it as long as there is nothing to do in them.
  private func make(_ first: Int) {
    var i = first
    while i < makers.count {
      passes[i] = makers[i]()
      if passes[i].count > 0 { break }
      i += 1
    }
    isa_publish(ready, Int64(i + 1))
  }

  func work(_ worker: Int) {
    for i in makers.indices {
      isa_await(ready, Int64(i + 1))
      let pass = passes[i]
      guard pass.count > 0 else { continue }
      var task = Int(isa_next(begun(i)))
      while task < pass.count {
        let next = Int(isa_next(begun(i)))
        pass.task(worker, task, next < pass.count ? next : nil)
        if isa_ended(ended(i)) == Int64(pass.count) { make(i + 1) }
        task = next
      }
    }
  }
}
