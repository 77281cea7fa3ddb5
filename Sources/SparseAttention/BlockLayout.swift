/// One side's tokens in the order of its tiles, cut into blocks.
public struct BlockLayout: Equatable, Sendable {
  /// For each place, the token that stands there.
  public private(set) var tokens: [Int32]
  /// Where each block begins; one more than there are blocks.
  public private(set) var starts: [Int]
  public private(set) var kinds: [SegmentKind]

  /// Blocks.
  public var count: Int { kinds.count }
  /// Tokens of a block.
  public func size(_ block: Int) -> Int { starts[block + 1] - starts[block] }

  /// Whole tiles come first, each a block; then what is left at the far edges, by `edges`.
  /// With `plain`, the segments are checked but neither ordered nor cut by.
  public init(
    side: String, segments: [Segment], total: Int, size: Int, tile: Grid?, edges: TileEdges = .shared,
    plain: Bool = false
  ) throws(AttentionError) {
    guard size >= 1, tile.map({ $0.frames >= 1 && $0.rows >= 1 && $0.columns >= 1 }) ?? true else {
      throw .unsupported("A block's size and a tile's frames, rows and columns must be positive.")
    }
    var sum = 0
    for (index, segment) in segments.enumerated() {
      guard segment.length >= 0, segment.length <= total else {
        throw .invalidSegment(side: side, index: index, reason: "its length is \(segment.length) of \(total) tokens")
      }
      sum += segment.length
    }
    guard sum == total else { throw .segmentsDoNotAddUp(side: side, sum: sum, tokens: total) }
    if tile != nil { try BlockLayout.checkGrids(side, segments) }
    let tile = plain ? nil : tile
    let segments = plain ? [Segment(.target, length: total)] : segments
    tokens = []
    tokens.reserveCapacity(total)
    starts = [0]
    kinds = []
    var start = 0
    for segment in segments {
      let grid = segment.kind == .text ? nil : segment.grid
      switch (tile, grid, edges) {
      case (let tile?, let grid?, .boxes): appendBoxes(grid, tile, start, segment.kind, size)
      case (let tile?, let grid?, .shared):
        appendTiles(grid, tile, start)
        cut(to: start + segment.length, segment.kind, size)
      default:
        for token in start..<start + segment.length { tokens.append(Int32(truncatingIfNeeded: token)) }
        cut(to: start + segment.length, segment.kind, size)
      }
      start += segment.length
    }
  }

  /// Runs of a block's size from the last block's end.
  private mutating func cut(to end: Int, _ kind: SegmentKind, _ size: Int) {
    var place = starts.last ?? 0
    while place < end {
      place = min(place + size, end)
      starts.append(place)
      kinds.append(kind)
    }
  }

  /// Every box begins a block, or shares one with as many of its part as whole tiles would.
  private mutating func appendBoxes(_ grid: Grid, _ tile: Grid, _ start: Int, _ kind: SegmentKind, _ size: Int) {
    let together = max(1, size / max(1, tile.count ?? .max))
    for (part, step) in GridBox.parts(of: grid, tile: tile) {
      for (index, box) in part.boxes(of: step).enumerated() {
        if index % together == 0 { cut(to: tokens.count, kind, size) }
        append(box, of: grid, start)
      }
      cut(to: tokens.count, kind, size)
    }
  }

  private mutating func append(_ box: GridBox, of grid: Grid, _ start: Int) {
    for x in box.lower[0]..<box.upper[0] {
      for y in box.lower[1]..<box.upper[1] {
        let row = start + (x * grid.rows + y) * grid.columns
        for z in box.lower[2]..<box.upper[2] { tokens.append(Int32(truncatingIfNeeded: row + z)) }
      }
    }
  }

  private static func checkGrids(_ side: String, _ segments: [Segment]) throws(AttentionError) {
    for (index, segment) in segments.enumerated() where segment.kind != .text {
      guard let grid = segment.grid else { continue }
      guard grid.frames >= 0, grid.rows >= 0, grid.columns >= 0, grid.count == segment.length else {
        throw .gridDoesNotHoldSegment(side: side, index: index, grid: grid, length: segment.length)
      }
    }
  }

  private mutating func appendTiles(_ grid: Grid, _ tile: Grid, _ start: Int) {
    let tile = [tile.frames, tile.rows, tile.columns]
    let extent = [grid.frames, grid.rows, grid.columns]
    let all = GridBox(lower: [0, 0, 0], upper: extent).boxes(of: (0..<3).map { min(tile[$0], max(extent[$0], 1)) })
    for whole in [true, false] {
      for box in all where (0..<3).allSatisfy({ box.upper[$0] - box.lower[$0] == tile[$0] }) == whole {
        append(box, of: grid, start)
      }
    }
  }
}
