import Dispatch
import Synchronization

/// Results of `body` for 0..<count, computed on all cores.
func parallelMap<T: Sendable>(_ count: Int, _ body: @Sendable (Int) throws -> T) throws -> [T] {
  let results = Mutex([Int: Result<T, any Error>]())
  DispatchQueue.concurrentPerform(iterations: count) { i in
    let result = Result { try body(i) }
    results.withLock { $0[i] = result }
  }
  return try results.withLock { results in try (0..<count).compactMap { try results[$0]?.get() } }
}

/// Relative L2 distance, from sums of squares.
struct Distance: Sendable {
  var difference = 0.0
  var norm = 0.0

  mutating func add(_ a: Double, _ reference: Double) {
    difference += (a - reference) * (a - reference)
    norm += reference * reference
  }

  static func + (a: Distance, b: Distance) -> Distance {
    Distance(difference: a.difference + b.difference, norm: a.norm + b.norm)
  }

  var relative: Double { norm > 0 ? (difference / norm).squareRoot() : difference > 0 ? .infinity : 0 }
}

/// Why a check cannot be made: one sentence.
struct CheckError: Error {
  let message: String
}
