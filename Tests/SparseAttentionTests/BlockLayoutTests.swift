import SparseAttention
import Testing

@Suite struct BlockLayoutTests {
  private let grid = Grid(frames: 5, rows: 6, columns: 9)
  private var segments: [Segment] {
    [Segment(.text, length: 7), Segment(.target, length: 270, grid: grid), Segment(.context, length: 100)]
  }
  private let tile = Grid(frames: 2, rows: 4, columns: 8)

  @Test func isAPermutationWithinSegments() throws {
    let layout = try BlockLayout(side: "key", segments: segments, total: 377, size: 64, tile: tile)
    #expect(Array(layout.tokens[..<7]) == Array(0..<7))
    #expect(layout.tokens[7..<277].sorted() == Array(7..<277))
    #expect(Array(layout.tokens[277...]) == Array(277..<377))
  }

  @Test func noBlockSpansSegments() throws {
    let layout = try BlockLayout(side: "key", segments: segments, total: 377, size: 64, tile: tile)
    #expect(layout.starts == [0, 7, 71, 135, 199, 263, 277, 341, 377])
    #expect(layout.kinds == [.text, .target, .target, .target, .target, .target, .context, .context])
    #expect((0..<layout.count).map(layout.size) == [7, 64, 64, 64, 64, 14, 64, 36])
  }

  /// Whole tiles are blocks of near tokens; smaller ones at the far edges share what follows.
  @Test func wholeTilesComeFirst() throws {
    let layout = try BlockLayout(side: "key", segments: segments, total: 377, size: 64, tile: tile)
    func place(_ token: Int32) -> (Int, Int, Int) {
      let t = Int(token) - 7
      return (t / 54, t / 9 % 6, t % 9)
    }
    // 2 whole tiles: frames 0–1 and 2–3 of rows 0–3 and columns 0–7.
    for (block, frames) in [(1, 0..<2), (2, 2..<4)] {
      let tokens = layout.tokens[layout.starts[block]..<layout.starts[block + 1]].map(place)
      #expect(tokens.allSatisfy { frames.contains($0.0) && $0.1 < 4 && $0.2 < 8 })
    }
    #expect(layout.tokens[135] == 7 + 8)  // the column that is left of the first tile
  }

  @Test func withoutTilesTheOrderStays() throws {
    let layout = try BlockLayout(side: "key", segments: segments, total: 377, size: 64, tile: nil)
    #expect(layout.tokens == Array(0..<377))
  }

  @Test func tilesLargerThanTheGrid() throws {
    let huge = Grid(frames: .max, rows: .max, columns: .max)
    let layout = try BlockLayout(side: "key", segments: segments, total: 377, size: 64, tile: huge)
    #expect(layout.tokens == Array(0..<377))
  }

  @Test func refusesWhatDoesNotFit() {
    #expect(throws: AttentionError.segmentsDoNotAddUp(side: "key", sum: 377, tokens: 378)) {
      try BlockLayout(side: "key", segments: segments, total: 378, size: 64, tile: nil)
    }
    let wrong = Grid(frames: .max, rows: 2, columns: 2)
    #expect(throws: AttentionError.gridDoesNotHoldSegment(side: "key", index: 0, grid: wrong, length: 10)) {
      try BlockLayout(
        side: "key", segments: [Segment(.target, length: 10, grid: wrong)], total: 10, size: 64, tile: tile)
    }
  }
}
