import Reporting
import SparseAttention

/// What `bench attention` measured.
public struct BenchReport: Sendable {
  public static let schema = "isa-patch/bench/1"

  public struct Row: Sendable {
    public var name: String
    public var tokens: Int
    public var heads: Int
    public var headSize: Int
    public var threads: Int
    public var compute: ComputeType
    /// Share of the query×key products computed token by token.
    public var executedDensity: Double
    /// Seconds, medians and least.
    public var median: Double
    public var best: Double
    public var peer: BenchPeer
    public var peerMedian: Double
    public var peerBest: Double
    /// Operations a second of one thread that the compute type's product instruction reaches.
    public var peak: Double

    public init(
      name: String, tokens: Int, heads: Int, headSize: Int, threads: Int, compute: ComputeType,
      executedDensity: Double, median: Double, best: Double, peer: BenchPeer, peerMedian: Double, peerBest: Double,
      peak: Double
    ) {
      self.name = name
      self.tokens = tokens
      self.heads = heads
      self.headSize = headSize
      self.threads = threads
      self.compute = compute
      self.executedDensity = executedDensity
      self.median = median
      self.best = best
      self.peer = peer
      self.peerMedian = peerMedian
      self.peerBest = peerBest
      self.peak = peak
    }

    public var speedup: Double { median > 0 ? peerMedian / median : 0 }

    /// The products q·k and p·v of the pairs that were computed token by token, over what the threads could do at best.
    public var fractionOfPeak: Double {
      let pairs = Double(tokens) * Double(tokens) * executedDensity
      let operations = 4 * pairs * Double(heads) * Double(headSize)
      return median > 0 && peak > 0 ? operations / (median * peak * Double(threads)) : 0
    }
  }

  public var machine: String
  public var rows: [Row]
  /// What was left out, and why.
  public var notes: [String]

  public init(machine: String, rows: [Row], notes: [String] = []) {
    self.machine = machine
    self.rows = rows
    self.notes = notes
  }

  public var json: String {
    JSONOutput.object([
      ("schema", .string(Self.schema)), ("machine", .string(machine)),
      (
        "rows",
        .array(
          rows.map { row in
            .object([
              ("case", .string(row.name)), ("tokens", .integer(row.tokens)), ("heads", .integer(row.heads)),
              ("head_size", .integer(row.headSize)), ("threads", .integer(row.threads)),
              ("compute", .string(row.compute.rawValue)), ("executed_density", .number(row.executedDensity)),
              ("median_ms", .number(row.median * 1000)), ("best_ms", .number(row.best * 1000)),
              ("peer", .string(row.peer.rawValue)), ("peer_median_ms", .number(row.peerMedian * 1000)),
              ("peer_best_ms", .number(row.peerBest * 1000)), ("speedup", .number(row.speedup)),
              ("fraction_of_peak", .number(row.fractionOfPeak)),
            ])
          })
      ),
    ]).document
  }

  public func table(for terminal: Terminal) -> String {
    var table = TextTable([
      .number("tokens"), .number("threads"), .text("case"), .text("compute"), .number("density"), .number("time"),
      .text("peer"), .number("its time"), .number("speed-up"), .number("of peak"),
    ])
    var last: [Int] = []
    for row in rows {
      if last != [row.tokens, row.threads] { table.addRule() }
      last = [row.tokens, row.threads]
      table.add([
        .init(NumberFormat.grouped(row.tokens)), .init("\(row.threads)"), .init(row.name), .init(row.compute.rawValue),
        .init(NumberFormat.fixed(row.executedDensity, digits: 3)), .init(NumberFormat.duration(row.median)),
        .init(row.peer.rawValue), .init(NumberFormat.duration(row.peerMedian)),
        .init(NumberFormat.factor(row.speedup)), .init(NumberFormat.percent(row.fractionOfPeak, digits: 0)),
      ])
    }
    return table.rendered(for: terminal)
  }
}
