/// Which grid was seen, and how its tokens fill the blocks that sparse attention decides by.
enum GridText {
  /// - Parameter filled: nil where the grid's size is not fixed.
  static func line(grid: [String], tile: [Int], block: Int, filled: Double?, inTiles: Double?) -> String {
    let name = "Grid \(grid.joined(separator: "x")), tiles \(tile.map(String.init).joined(separator: "x")): "
    guard let filled else { return name + "how well they are filled follows from the size of the clip." }
    return name
      + "its blocks of \(block) are \(percent(filled)) full, and \(percent(inTiles ?? 0)) of its tokens stand in "
      + "blocks that are one tile."
  }

  /// Rounded down, so that only all of them are 100 %.
  private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded(.down))) %" }
}
