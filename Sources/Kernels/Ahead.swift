import CKernels

/// Cache lines that are wanted when a panel is done: its output rows, and the queries after it.
///
/// They are asked for a few at a time, since many at once would fill the queue of misses and stall the products; and in
/// the last third of the panel's products, since the keys and values read before that would push them out again.
struct Ahead {
  private var next: UnsafePointer<UnsafeRawPointer?>?
  private let end: UnsafePointer<UnsafeRawPointer?>?
  private let linesAtOnce: Int
  /// Calls that ask for nothing yet.
  private var idle: Int

  /// `calls` is how often `ask` will be called.
  @inline(__always) init(_ a: isa_attend, calls: Int) {
    let count = Int(a.ahead_count)
    next = a.ahead
    end = a.ahead.map { $0 + count }
    // A third of the calls, or more where each would ask for more than 16 lines.
    let few = (count &+ 15) / 16
    var asking = calls / 3 > few ? calls / 3 : few
    if asking > calls { asking = calls }
    idle = calls &- asking
    linesAtOnce = (count &+ asking &- 1) / (asking > 0 ? asking : 1)
  }

  @inline(__always) mutating func ask() {
    idle &-= 1
    guard idle < 0, var line = next, let end, line < end else { return }
    let stop = end - line > linesAtOnce ? line + linesAtOnce : end
    repeat {
      isa_prefetch(line.pointee)
      line += 1
    } while line < stop
    next = line
  }
}
