import SparseAttention
import Testing

/// Against counts by hand, and the cut itself.
@Suite struct BlockFillTests {
  private let tile = Grid(frames: 4, rows: 4, columns: 4)

  private func fill(_ f: Int, _ r: Int, _ c: Int) throws -> BlockFill {
    let grid = Grid(frames: f, rows: r, columns: c)
    return try #require(BlockFill(Segment(.target, length: f * r * c, grid: grid), size: 64, tile: tile))
  }

  @Test func gridsThatTilesDivideAreFull() throws {
    let fill = try fill(8, 16, 16)
    #expect(fill.filled == 1)
    #expect(fill.inTiles == 1)
  }

  /// 8×14×20 has 2·3·5 whole tiles, whatever becomes of the others.
  @Test func edgesAreToldFromWholeTiles() throws {
    let fill = try fill(8, 14, 20)
    let inTiles = try #require(fill.inTiles)
    #expect(inTiles >= Double(30 * 64) / 2240)
    #expect(fill.filled <= 1 && fill.filled > 0.5)
    // One block more than tokens ask for is not full.
    let small = try self.fill(1, 1, 5)
    #expect(small.filled == 5.0 / 64)
    #expect(small.inTiles == 0 || small.inTiles == 1)
  }

  @Test(arguments: [(5, 7, 9), (21, 30, 52), (2, 9, 16), (1, 3, 100)], TileEdges.allCases)
  func countsAreThoseOfTheCut(_ grid: (Int, Int, Int), _ edges: TileEdges) throws {
    let (f, r, c) = grid
    let segment = Segment(.context, length: f * r * c, grid: Grid(frames: f, rows: r, columns: c))
    let layout = try BlockLayout(side: "a", segments: [segment], total: segment.length, size: 64, tile: tile, edges: edges)
    let fill = try #require(BlockFill(segment, size: 64, tile: tile, edges: edges))
    #expect(fill.filled == Double(segment.length) / Double(64 * layout.count))
    var near = 0
    for block in 0..<layout.count {
      let tokens = layout.tokens[layout.starts[block]..<layout.starts[block + 1]].map { Int($0) }
      // The box around them: sides are one more than the farthest pair is apart.
      let places = [tokens.map { $0 / (r * c) }, tokens.map { $0 / c % r }, tokens.map { $0 % c }]
      let sides = places.map { axis in axis.map { a in axis.map { abs(a - $0) }.max() ?? 0 }.max() ?? 0 }
      if sides.reduce(1, { $0 * ($1 + 1) }) <= 64 { near += tokens.count }
    }
    #expect(fill.inTiles == Double(near) / Double(segment.length))
  }

  @Test func withoutAGridOnlyTheBlocksCount() throws {
    let fill = try #require(BlockFill(Segment(.target, length: 100), size: 64, tile: tile))
    #expect(fill.filled == 100.0 / 128)
    #expect(fill.inTiles == nil)
    let text = Segment(.text, length: 64, grid: Grid(frames: 1, rows: 8, columns: 8))
    #expect(BlockFill(text, size: 64, tile: tile)?.inTiles == nil)
    #expect(BlockFill(Segment(.target, length: 0), size: 64, tile: nil) == nil)
    #expect(BlockFill(Segment(.target, length: .max), size: 64, tile: nil) == nil)
    let wrong = Segment(.target, length: 10, grid: Grid(frames: 3, rows: 3, columns: 3))
    #expect(BlockFill(wrong, size: 64, tile: tile) == nil)
  }
}
