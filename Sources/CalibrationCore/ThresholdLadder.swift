import SparseAttention

/// The thresholds on the loss that calibration chooses from: a geometric ladder, finest first.
///
/// A rung is one threshold for every site; eight rungs make a factor of two, and neighbours differ by about a decibel. The
/// loss of a pair of blocks is a share of a query's attention mass, so it lies between 0 and 1, and thresholds found in
/// practice between 1e-4 and 0.1.
public struct ThresholdLadder: Equatable, Codable, Sendable {
  /// The smallest threshold: lists the most, errs the least.
  public var finest: Double
  /// Factor from one rung to the next.
  public var ratio: Double
  public var count: Int
  /// What the thresholds are on, and how blocks are cut for it: figures of one are not those of another.
  public var rank: Policy.Rank
  public var edges: TileEdges

  public init(
    finest: Double = 0x1p-15, ratio: Double = 1.0905077326652577, count: Int = 97, rank: Policy.Rank = .loss,
    edges: TileEdges = .boxes
  ) {
    self.finest = finest
    self.ratio = ratio
    self.count = max(1, count)
    self.rank = rank
    self.edges = edges
  }

  /// Statistics from before there was a choice are of the gap.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    finest = try values.decode(Double.self, forKey: .finest)
    ratio = try values.decode(Double.self, forKey: .ratio)
    count = try values.decode(Int.self, forKey: .count)
    rank = try values.decodeIfPresent(Policy.Rank.self, forKey: .rank) ?? .gap
    edges = try values.decodeIfPresent(TileEdges.self, forKey: .edges) ?? .shared
  }

  /// The threshold of rung 0 ..< count, as the operator stores it.
  public func threshold(_ rung: Int) -> Float {
    var value = finest
    for _ in 0..<max(0, rung) { value *= ratio }
    return Float(value)
  }

  /// What a rung asks of every head: list each pair of blocks whose Taylor term would lose that much mass.
  public func policy(_ rung: Int) -> Policy {
    Policy(select: .threshold(threshold(rung)), rank: rank, taylor: .zeroth)
  }

  /// The ladder as operating points of a site: point 0 is exact, point 1 + r is rung r.
  public func points(heads: Int) -> [[Policy]] {
    [Array(repeating: .exact, count: heads)]
      + (0..<count).map { Array(repeating: policy($0), count: heads) }
  }

  /// The operating point of a rung in `points`; nil is exact.
  public static func point(of rung: Int?) -> Int { rung.map { $0 + 1 } ?? 0 }
}
