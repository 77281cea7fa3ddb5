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
        let inputs = try BenchInputs.gaussian(tokens: tokens, width: heads * headSize)
        try measure(tokens, inputs, into: &report, progress)
      }
      return report
    } catch {
      throw ToolError(error, model: "The benchmark's model")
    }
  }

  /// One case by one number of threads.
  private struct Own {
    let item: BenchCase
    let compute: ComputeType
    let density: Double
    let contender: BenchContender
  }

  /// Everything of one length in turn, the numbers of threads too: what else goes on in the machine falls on all alike.
  private func measure(
    _ tokens: Int, _ inputs: [String: OnnxRuntime.Tensor], into report: inout BenchReport, _ progress: ProgressReporter
  ) throws {
    let graph = BenchGraph(tokens: tokens, heads: heads, headSize: headSize)
    let wanted = wantedPeers(tokens, &report)
    var peers: [(BenchPeer, BenchContender)] = []
    var ours: [Own] = []
    for threads in threads {
      for peer in wanted { peers.append((peer, try BenchContender(graph.peer(peer), threads: threads, inputs))) }
    }
    for compute in computes {
      for item in cases {
        let timed = try graph.operatorModel(item.policy, compute: compute, statistics: false)
        let counted = try graph.operatorModel(item.policy, compute: compute, statistics: true)
        let density = try BenchContender.density(counted, inputs)
        for threads in threads {
          let contender = try BenchContender(timed, threads: threads, inputs)
          ours.append(Own(item: item, compute: compute, density: density, contender: contender))
        }
      }
    }
    // Those of as many threads beside each other, as in a model: a core that slept takes long to wake.
    let all = peers.map(\.1) + ours.map(\.contender)
    let contenders = threads.flatMap { threads in all.filter { $0.threads == threads } }
    progress.begin("\(NumberFormat.grouped(tokens)) tokens", total: repeats)
    var peaks: [ComputeType: Double] = [:]
    for turn in 0..<repeats {
      for compute in computes {
        let peak = try AttentionCPU.peak(compute == .bfloat16 ? .bfloat16 : .float32)
        peaks[compute] = max(peaks[compute] ?? 0, peak)
      }
      // To and fro, since who comes after whom finds more or less of the inputs in the caches.
      for contender in turn % 2 == 0 ? contenders : contenders.reversed() { try contender.time(inputs) }
      progress.advance()
    }
    progress.finish()
    for threads in threads {
      for (peer, other) in peers where other.threads == threads {
        for own in ours where own.contender.threads == threads {
          report.rows.append(
            BenchReport.Row(
              name: own.item.name, tokens: tokens, heads: heads, headSize: headSize, threads: threads,
              compute: own.compute, executedDensity: own.density, median: median(own.contender.seconds),
              best: own.contender.best, peer: peer, peerMedian: median(other.seconds), peerBest: other.best,
              peak: peaks[own.compute] ?? 0))
        }
      }
    }
  }

  /// Those that fit into memory; the others are noted.
  private func wantedPeers(_ tokens: Int, _ report: inout BenchReport) -> [BenchPeer] {
    let scores = 4 * heads * tokens * tokens
    return peers.filter { peer in
      guard peer.keepsScores, scores > Self.scoreLimit else { return true }
      report.notes.append(
        "\(peer.rawValue) is left out at \(NumberFormat.grouped(tokens)) tokens: its scores take "
          + "\(NumberFormat.bytes(scores)).")
      return false
    }
  }
}
