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

  /// Whole tiles come first, each a block; then the smaller ones at the far edges, in the same order.
  /// With `plain`, the segments are checked but neither ordered nor cut by.
  public init(
    side: String, segments: [Segment], total: Int, size: Int, tile: Grid?, plain: Bool = false
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
      if let tile, let grid = segment.grid, segment.kind != .text {
        appendTiles(grid, tile, start)
      } else {
        for token in start..<start + segment.length { tokens.append(Int32(truncatingIfNeeded: token)) }
      }
      var place = start
      while place < start + segment.length {
        place = min(place + size, start + segment.length)
        starts.append(place)
        kinds.append(segment.kind)
      }
      start += segment.length
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
    let step = Grid(
      frames: min(tile.frames, max(grid.frames, 1)), rows: min(tile.rows, max(grid.rows, 1)),
      columns: min(tile.columns, max(grid.columns, 1)))
    for whole in [true, false] {
      for f in stride(from: 0, to: grid.frames, by: step.frames) {
        let frames = min(f + step.frames, grid.frames)
        for r in stride(from: 0, to: grid.rows, by: step.rows) {
          let rows = min(r + step.rows, grid.rows)
          for c in stride(from: 0, to: grid.columns, by: step.columns) {
            let columns = min(c + step.columns, grid.columns)
            let isWhole = frames - f == tile.frames && rows - r == tile.rows && columns - c == tile.columns
            guard isWhole == whole else { continue }
            for x in f..<frames {
              for y in r..<rows {
                let row = start + (x * grid.rows + y) * grid.columns
                for z in c..<columns { tokens.append(Int32(truncatingIfNeeded: row + z)) }
              }
            }
          }
        }
      }
    }
  }
}
