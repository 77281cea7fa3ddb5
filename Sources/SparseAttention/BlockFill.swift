/// How a segment's tokens fill the blocks that they are cut into.
public struct BlockFill: Hashable, Sendable {
  /// Share of the blocks' places that hold a token.
  public var filled: Double
  /// Share of the tokens that stand in blocks which are near in space and time: boxes of no more places than the tile. nil
  /// without a grid or a tile.
  public var inTiles: Double?

  public init(filled: Double, inTiles: Double?) {
    self.filled = filled
    self.inTiles = inTiles
  }

  /// Segments of more tokens are not counted.
  private static let largest = 1 << 24

  /// By the cut of `BlockLayout` itself.
  ///
  /// - Parameter size: tokens of a block.
  /// - Returns: nil for a segment without tokens, one that is too long, or a grid that does not hold it.
  public init?(_ segment: Segment, size: Int, tile: Grid?, edges: TileEdges = .shared) {
    guard segment.length > 0, segment.length <= Self.largest,
      let layout = try? BlockLayout(
        side: "a", segments: [segment], total: segment.length, size: size, tile: tile, edges: edges)
    else { return nil }
    filled = Double(segment.length) / Double(layout.count * size)
    guard let grid = segment.grid, let tile, segment.kind != .text, grid.rows > 0, grid.columns > 0 else { return }
    var near = 0
    for block in 0..<layout.count {
      let tokens = layout.tokens[layout.starts[block]..<layout.starts[block + 1]]
      if let box = Self.extent(of: tokens, in: grid).count, box <= tile.count ?? .max { near += tokens.count }
    }
    inTiles = Double(near) / Double(segment.length)
  }

  /// The box around tokens of a grid.
  private static func extent(of tokens: ArraySlice<Int32>, in grid: Grid) -> Grid {
    func span(_ place: (Int) -> Int) -> Int {
      let places = tokens.map { place(Int($0)) }
      return (places.max() ?? 0) - (places.min() ?? 0) + 1
    }
    return Grid(
      frames: span { $0 / (grid.rows * grid.columns) }, rows: span { $0 / grid.columns % grid.rows },
      columns: span { $0 % grid.columns })
  }
}
