/// How the tokens that no whole tile covers, at the far edges of a grid, are cut into blocks.
public enum TileEdges: String, Sendable, CaseIterable, Codable {
  /// In the order of their smaller tiles, as runs of a block's size that go on from one into the next.
  case shared
  /// Each remainder as boxes that are flat where it is thin; no block spans two of them.
  case boxes
}

/// A box of a grid's tokens.
struct GridBox: Equatable {
  /// First frame, row and column, and the first beyond.
  var lower, upper: [Int]

  var count: Int { zip(lower, upper).reduce(1) { $0 * ($1.1 - $1.0) } }

  /// Its boxes of `step` in the order of frames, rows, columns; those at its far edges are smaller.
  func boxes(of step: [Int]) -> [GridBox] {
    var result: [GridBox] = []
    for f in stride(from: lower[0], to: upper[0], by: step[0]) {
      for r in stride(from: lower[1], to: upper[1], by: step[1]) {
        for c in stride(from: lower[2], to: upper[2], by: step[2]) {
          let corner = [f, r, c]
          result.append(GridBox(lower: corner, upper: (0..<3).map { min(corner[$0] + step[$0], upper[$0]) }))
        }
      }
    }
    return result
  }

  /// The parts that are cut apart: what whole tiles cover, then what is left beyond the last column of tiles, the last
  /// row and the last frame, each with the step that its boxes have. No part is empty.
  static func parts(of grid: Grid, tile: Grid) -> [(part: GridBox, step: [Int])] {
    let extent = [grid.frames, grid.rows, grid.columns]
    // A tile may be larger than any grid: what is left of it keeps products small.
    let tile = [tile.frames, tile.rows, tile.columns].map { min($0, 1 << 20) }
    let whole = (0..<3).map { extent[$0] / tile[$0] * tile[$0] }
    var parts = [(part: GridBox(lower: [0, 0, 0], upper: whole), step: tile)]
    for axis in [2, 1, 0] {
      var part = GridBox(lower: [0, 0, 0], upper: extent)
      part.lower[axis] = whole[axis]
      for later in axis + 1..<3 { part.upper[later] = extent[later] }
      for earlier in 0..<axis { part.upper[earlier] = whole[earlier] }
      parts.append((part, flatStep(part, tile, thin: axis)))
    }
    return parts.filter { $0.part.count > 0 }
  }

  /// A tile as thin as the part along one axis, its other two sides doubled while it holds no more tokens than a whole
  /// one: of the ways to spread the doublings, that with the fewest boxes, then the least longest side, then the least
  /// first side.
  private static func flatStep(_ part: GridBox, _ tile: [Int], thin axis: Int) -> [Int] {
    let extent = (0..<3).map { max(1, part.upper[$0] - part.lower[$0]) }
    let sides = (0..<3).filter { $0 != axis }
    let most = tile[0] * tile[1] * tile[2]
    var doublings = 1
    while extent[axis] * tile[sides[0]] * tile[sides[1]] * doublings * 2 <= most { doublings *= 2 }
    var best: (key: [Int], step: [Int])?
    var first = 1
    while first <= doublings {
      var step = tile
      step[axis] = extent[axis]
      step[sides[0]] *= first
      step[sides[1]] *= doublings / first
      let boxes = sides.reduce(1) { $0 * ((extent[$1] + step[$1] - 1) / step[$1]) }
      let key = [boxes, max(step[sides[0]], step[sides[1]]), step[sides[0]]]
      if best.map({ key.lexicographicallyPrecedes($0.key) }) ?? true { best = (key, step) }
      first *= 2
    }
    return best?.step ?? tile
  }
}
