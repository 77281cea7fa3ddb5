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

  /// With boxes of their own, whatever the grid: every token once, no block over its size or over two segments, whole
  /// tiles first, and no block in two parts of the grid.
  @Test(arguments: [
    (21, 30, 52), (21, 45, 80), (8, 14, 20), (5, 15, 26), (7, 11, 20), (1, 9, 9), (3, 1, 200), (4, 4, 4), (0, 4, 4),
  ])
  func boxesCoverAnyGrid(_ sizes: (Int, Int, Int)) throws {
    let grid = Grid(frames: sizes.0, rows: sizes.1, columns: sizes.2)
    let length = sizes.0 * sizes.1 * sizes.2
    let segments = [Segment(.target, length: length, grid: grid), Segment(.context, length: 70)]
    for (tile, size) in [
      (Grid(frames: 4, rows: 4, columns: 4), 64), (Grid(frames: 4, rows: 4, columns: 4), 128),
      (Grid(frames: 2, rows: 2, columns: 2), 64), (Grid(frames: 4, rows: 8, columns: 8), 64),
      (Grid(frames: .max, rows: 1, columns: .max), 32),
    ] {
      let layout = try BlockLayout(
        side: "key", segments: segments, total: length + 70, size: size, tile: tile, edges: .boxes)
      #expect(layout.tokens.sorted() == (0..<Int32(length + 70)).map { $0 })
      #expect(layout.tokens[..<length].allSatisfy { $0 < length })
      #expect((0..<layout.count).allSatisfy { (1...size).contains(layout.size($0)) })
      let whole = [sizes.0, sizes.1, sizes.2].enumerated().map { axis, n in
        let side = [tile.frames, tile.rows, tile.columns][axis]
        return n / side * side
      }
      /// 0 for whole tiles, then beyond the last column, row, frame of them.
      func part(_ token: Int32) -> Int {
        let t = Int(token)
        if t / (sizes.1 * sizes.2) >= whole[0] { return 3 }
        if t / sizes.2 % sizes.1 >= whole[1] { return 2 }
        return t % sizes.2 >= whole[2] ? 1 : 0
      }
      let parts = layout.tokens[..<length].map(part)
      #expect(parts == parts.sorted())
      for block in 0..<layout.count where layout.starts[block] < length {
        #expect(Set(parts[layout.starts[block]..<layout.starts[block + 1]]).count == 1)
      }
    }
  }

  /// A video's usual grids lose few places: what they would lose with a block for every smaller tile is the argument.
  @Test(arguments: [((21, 30, 52), 0.82), ((21, 45, 80), 0.83), ((9, 16, 16), 0.76), ((8, 14, 20), 0.88)])
  func boxesAreNearlyFull(_ sizes: (Int, Int, Int), _ smallerTiles: Double) throws {
    let grid = Grid(frames: sizes.0, rows: sizes.1, columns: sizes.2)
    let segment = Segment(.target, length: sizes.0 * sizes.1 * sizes.2, grid: grid)
    let fill = try #require(
      BlockFill(segment, size: 64, tile: Grid(frames: 4, rows: 4, columns: 4), edges: .boxes))
    #expect(fill.filled > max(0.93, smallerTiles))
    #expect(fill.inTiles == 1)
  }
}
