import Foundation
import SparseAttention

/// One of `Fixtures/oracle.json`: a small attention as the operator's executable definition decides and computes it.
public struct OracleCase: Decodable, Sendable, CustomStringConvertible {
  public let name: String
  let seed: Int
  let policy: [Float]
  public let blockQ, blockK: Int
  let tile: [Int]?
  let edges: String
  /// Of the queries.
  let amplitude: Double
  let querySegments, keySegments: [SegmentRow]
  let mask: String?
  let kept, averaged, full, exact: String
  public let statistics: [Float]
  /// Every 29th row of the output.
  public let rows: [[Double]]

  public var description: String { name }

  struct SegmentRow: Decodable {
    let segment: Segment

    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      let kind = SegmentKind(rawValue: try list.decode(String.self)) ?? .target
      let n = try (0..<4).map { _ in try list.decode(Int.self) }
      segment = Segment(kind, length: n[0], grid: n[1] == 0 ? nil : Grid(frames: n[1], rows: n[2], columns: n[3]))
    }
  }

  public static let all: [OracleCase] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/oracle.json")
    return (try? JSONDecoder().decode([OracleCase].self, from: Data(contentsOf: file))) ?? []
  }()

  /// The case's inputs, drawn from the integers that its script draws from.
  public func oracle() -> Oracle {
    var noise = UniformNoise(seed)
    func rows(_ n: Int, _ d: Int, _ amplitude: Double) -> [[Double]] {
      (0..<n).map { _ in (0..<d).map { _ in noise.sum() * amplitude } }
    }
    let queries = querySegments.map(\.segment)
    let keys = keySegments.map(\.segment)
    let (n, m) = (queries.reduce(0) { $0 + $1.length }, keys.reduce(0) { $0 + $1.length })
    let (q, k, v) = (rows(n, 8, amplitude), rows(m, 8, 1), rows(m, 5, 1))
    return Oracle(
      queries: q, keys: k, values: v, policy: Policy(row: policy) ?? .exact, querySegments: queries,
      keySegments: keys, scale: 1 / 8.0.squareRoot(), blockQ: blockQ, blockK: blockK,
      tile: tile.map { Grid(frames: $0[0], rows: $0[1], columns: $0[2]) },
      edges: TileEdges(rawValue: edges) ?? .shared, mask: mask.map(bits))
  }

  public func selection() -> Selection {
    let full = bits(full)
    let exact = bits(exact)
    let n = kept.count
    return Selection(
      kept: bits(kept), averaged: bits(averaged), full: full,
      exact: full.indices.map { Array(exact[$0 * n..<($0 + 1) * n]) }, statistics: statistics)
  }

  private func bits(_ text: String) -> [Bool] { text.map { $0 == "1" } }
}

/// splitmix64, as the fixtures' scripts have it.
public struct UniformNoise {
  private var state: UInt64

  public init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  public mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }

  /// Twelve uniforms less six: nearly normal, and the same bits everywhere.
  public mutating func sum() -> Double {
    var total = 0.0
    for _ in 0..<12 { total += uniform() }
    return total - 6
  }
}
