import Glibc
import ONNXGraph
import OnnxRuntime
import Reporting
import SparseAttention
import SparseAttentionCPU

/// `bench attention`: the operator against ONNX Runtime's own, in one process, in turn, on the same numbers.
public struct BenchAttentionJob: Sendable {
  public var tokens: [Int]
  public var heads: Int
  public var headSize: Int
  public var threads: [Int]
  public var cases: [BenchCase]
  public var computes: [ComputeType]
  public var peers: [BenchPeer]
  public var repeats: Int

  public init(
    tokens: [Int] = [2048, 4096], heads: Int = 4, headSize: Int = 128, threads: [Int] = [1],
    cases: [BenchCase] = BenchCase.standard, computes: [ComputeType] = [.float32, .bfloat16],
    peers: [BenchPeer] = [.multiHeadAttention], repeats: Int = 5
  ) {
    self.tokens = tokens
    self.heads = heads
    self.headSize = headSize
    self.threads = threads
    self.cases = cases
    self.computes = computes
    self.peers = peers
    self.repeats = repeats
  }

  /// Above this, a peer that makes the whole table of scores is left out.
  static let scoreLimit = 2 << 30

  /// - Throws: `ToolError` 64 for numbers that make no sense.
  public func validate() throws(ToolError) {
    func check(_ option: String, _ values: [Int], _ range: ClosedRange<Int>) throws(ToolError) {
      if values.isEmpty { throw ToolError("\(option) is empty; give at least one.", .usage) }
      for value in values where !range.contains(value) {
        throw ToolError("\(option) \(value) is not from \(range.lowerBound) to \(range.upperBound).", .usage)
      }
    }
    try check("--tokens", tokens, 1...1_048_576)
    try check("--heads", [heads], 1...1024)
    try check("--head-size", [headSize], 1...256)
    try check("--threads", threads, 1...1024)
    try check("--repeats", [repeats], 1...10_000)
    if cases.isEmpty || computes.isEmpty || peers.isEmpty {
      throw ToolError("Nothing to measure; give at least one case, compute type and peer.", .usage)
    }
  }

  /// - Throws: `ToolError`: 64 as `validate`, 69 where ONNX Runtime or the operator library is missing.
  public func run(progress: ProgressReporter) throws(ToolError) -> BenchReport {
    try validate()
    do {
      var report = BenchReport(machine: Machine.current.description, rows: [])
      for tokens in tokens {
        let inputs = try Self.inputs(tokens: tokens, width: heads * headSize)
        for threads in threads { try measure(tokens, threads, inputs, into: &report, progress) }
      }
      return report
    } catch {
      throw ToolError(error, model: "The benchmark's model")
    }
  }

  private func measure(
    _ tokens: Int, _ threads: Int, _ inputs: [String: OnnxRuntime.Tensor], into report: inout BenchReport,
    _ progress: ProgressReporter
  ) throws {
    let graph = BenchGraph(tokens: tokens, heads: heads, headSize: headSize)
    let scores = 4 * heads * tokens * tokens
    var peers: [(BenchPeer, Contender)] = []
    for peer in self.peers {
      if peer.keepsScores, scores > Self.scoreLimit {
        report.notes.append(
          "\(peer.rawValue) is left out at \(NumberFormat.grouped(tokens)) tokens: its scores take "
            + "\(NumberFormat.bytes(scores)).")
        continue
      }
      peers.append((peer, try Contender(graph.peer(peer), threads: threads, inputs)))
    }
    var ours: [(BenchCase, ComputeType, Contender, density: Double)] = []
    for compute in computes {
      for item in cases {
        let timed = try graph.operatorModel(item.policy, compute: compute, statistics: false)
        let counted = try graph.operatorModel(item.policy, compute: compute, statistics: true)
        ours.append(
          (item, compute, try Contender(timed, threads: threads, inputs), try Self.density(counted, inputs)))
      }
    }
    progress.begin(
      "\(NumberFormat.grouped(tokens)) tokens, \(threads) thread\(threads == 1 ? "" : "s")", total: repeats)
    var peaks: [ComputeType: Double] = [:]
    for _ in 0..<repeats {
      for compute in computes {
        let peak = try AttentionCPU.peak(compute == .bfloat16 ? .bfloat16 : .float32)
        peaks[compute] = max(peaks[compute] ?? 0, peak)
      }
      for (_, contender) in peers { try contender.time(inputs) }
      for (_, _, contender, _) in ours { try contender.time(inputs) }
      progress.advance()
    }
    progress.finish()
    for (peer, other) in peers {
      for (item, compute, own, density) in ours {
        report.rows.append(
          BenchReport.Row(
            name: item.name, tokens: tokens, heads: heads, headSize: headSize, threads: threads, compute: compute,
            executedDensity: density, median: median(own.seconds), best: own.seconds.min() ?? 0, peer: peer,
            peerMedian: median(other.seconds), peerBest: other.seconds.min() ?? 0, peak: peaks[compute] ?? 0))
      }
    }
  }

  /// Executed density of one run, mean over heads.
  private static func density(_ model: [UInt8], _ inputs: [String: OnnxRuntime.Tensor]) throws -> Double {
    let results = try Contender.session(model, threads: 1).run(inputs, outputs: [BenchGraph.statistics])
    let values = results[BenchGraph.statistics]?.floats ?? []
    let first = stride(from: 0, to: values.count, by: 4).map { Double(values[$0]) }
    return first.isEmpty ? 1 : first.reduce(0, +) / Double(first.count)
  }

  /// Unit Gaussian numbers, the same on every run.
  private static func inputs(tokens: Int, width: Int) throws -> [String: OnnxRuntime.Tensor] {
    var random = Gaussian(state: 1)
    var inputs: [String: OnnxRuntime.Tensor] = [:]
    for name in BenchGraph.inputs {
      inputs[name] = try OnnxRuntime.Tensor((0..<tokens * width).map { _ in random.next() }, shape: [1, tokens, width])
    }
    return inputs
  }

  /// A session and the times of its runs.
  private final class Contender {
    let session: Session
    let threads: Int
    private(set) var seconds: [Double] = []

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
  }
}

/// Unit Gaussian numbers: SplitMix64, then Box and Muller.
private struct Gaussian {
  var state: UInt64
  private var spare: Float?

  init(state: UInt64) { self.state = state }

  private mutating func uniform() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return (Float((z ^ (z >> 31)) >> 40) + 0.5) / Float(1 << 24)
  }

  mutating func next() -> Float {
    if let x = spare {
      spare = nil
      return x
    }
    let radius = (-2 * logf(uniform())).squareRoot()
    let angle = 2 * Float.pi * uniform()
    spare = radius * sinf(angle)
    return radius * cosf(angle)
  }
}
