import Glibc
import OnnxRuntime

/// A session and the times of its runs.
final class BenchContender {
  let session: Session
  let threads: Int
  private(set) var seconds: [Double] = []
  var best: Double { seconds.min() ?? 0 }

  /// Runs once to warm up.
  init(_ model: [UInt8], threads: Int, _ inputs: [String: OnnxRuntime.Tensor]) throws {
    session = try Self.session(model, threads: threads)
    self.threads = threads
    _ = try session.run(inputs)
  }

  static func session(_ model: [UInt8], threads: Int) throws -> Session {
    var options = Session.Options(threads: threads, opLibraries: [try OpLibrary.find()])
    // Sessions that run in turn must not take each other's cores.
    options.spinning = false
    return try Session(Library.load(), model: .bytes(model), options: options)
  }

  /// One thread by its CPU time, since other work on the machine then counts less; more by the wall clock.
  func time(_ inputs: [String: OnnxRuntime.Tensor]) throws {
    let clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
    let start = Self.now(clock)
    _ = try session.run(inputs, outputs: [BenchGraph.output])
    seconds.append(Self.now(clock) - start)
  }

  private static func now(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Executed density of one run, mean over heads.
  static func density(_ model: [UInt8], _ inputs: [String: OnnxRuntime.Tensor]) throws -> Double {
    let results = try session(model, threads: 1).run(inputs, outputs: [BenchGraph.statistics])
    let values = results[BenchGraph.statistics]?.floats ?? []
    let first = stride(from: 0, to: values.count, by: 4).map { Double(values[$0]) }
    return first.isEmpty ? 1 : first.reduce(0, +) / Double(first.count)
  }
}
