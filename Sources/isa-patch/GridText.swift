import ISAPatch

/// Which grid was seen, and how its tokens fill the blocks that sparse attention decides by.
enum GridText {
  /// - Parameters:
  ///   - filled: nil where the grid's size is not fixed.
  ///   - usual: what it is then at the adapter's usual size.
  static func line(
    grid: [String], tile: [Int], block: Int, filled: Double?, inTiles: Double?, usual: SiteReport.Segment.Usual? = nil
  ) -> String {
    let name = "Grid \(grid.joined(separator: "x")), tiles \(joined(tile)): "
    if let filled { return name + fill(block, filled, inTiles) + "." }
    guard let usual else { return name + "how well they are filled follows from the size of the clip." }
    return name + "at \(usual.frames) frame\(usual.frames == 1 ? "" : "s") of \(usual.width)x\(usual.height) it is "
      + "\(joined(usual.grid)), \(fill(block, usual.fill, usual.inTiles)); it follows from the size of the clip."
  }

  private static func fill(_ block: Int, _ filled: Double, _ inTiles: Double?) -> String {
    "its blocks of \(block) are \(percent(filled)) full, and \(percent(inTiles ?? 0)) of its tokens stand in blocks "
      + "that are one box, no larger than a tile"
  }

  private static func joined(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: "x") }

  /// Rounded down, so that only all of them are 100 %.
  private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded(.down))) %" }
}
