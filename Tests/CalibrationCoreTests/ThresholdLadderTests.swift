import CalibrationCore
import Foundation
import SparseAttention
import Testing

@Suite struct ThresholdLadderTests {
  /// Statistics that an earlier version wrote: their thresholds are on the gap, and must not be taken for others.
  @Test func filesWithoutARankAreOfTheGap() throws {
    let text = #"{"count": 49, "finest": 3.0517578125e-05, "ratio": 1.189207115002721}"#
    let ladder = try JSONDecoder().decode(ThresholdLadder.self, from: Data(text.utf8))
    #expect(ladder.policy(3).rank == .gap)
    #expect(ladder.edges == .shared)
    #expect(ladder != ThresholdLadder())
    #expect(ladder == ThresholdLadder(ratio: 1.189207115002721, count: 49, rank: .gap, edges: .shared))
  }

  @Test(arguments: Policy.Rank.allCases, TileEdges.allCases)
  func whatIsWrittenIsRead(_ rank: Policy.Rank, _ edges: TileEdges) throws {
    let ladder = ThresholdLadder(rank: rank, edges: edges)
    #expect(try JSONDecoder().decode(ThresholdLadder.self, from: JSONEncoder().encode(ladder)) == ladder)
  }

  @Test func anUnknownRankIsRefused() {
    let text = #"{"count": 9, "finest": 1e-5, "ratio": 1.2, "rank": "luck"}"#
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(ThresholdLadder.self, from: Data(text.utf8)) }
  }

  /// Eight rungs make a factor of two, and each asks of every head what its threshold says.
  @Test func rungsAreAGeometricLadder() {
    let ladder = ThresholdLadder()
    for rung in 8..<ladder.count {
      #expect(abs(ladder.threshold(rung) / ladder.threshold(rung - 8) - 2) < 1e-5)
    }
    #expect(ladder.policy(8).select == .threshold(ladder.threshold(8)))
    #expect(ladder.points(heads: 3).count == ladder.count + 1)
    #expect(ladder.points(heads: 3)[0] == [.exact, .exact, .exact])
  }
}
