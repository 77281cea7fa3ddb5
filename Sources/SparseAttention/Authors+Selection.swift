extension Authors {
  /// What kept blocks and routes are chosen by.
  public struct Scores: Sendable {
    /// [context blocks], [blocks].
    public var saliency, sharpness: [Double]
  }

  /// Saliency and sharpness, from coarse attention: a softmax over all blocks, whatever their sizes.
  public func scores() -> Scores {
    func means(_ x: [Double]) -> [[Double]] {
      Authors.sums(x, headSize).enumerated().map { b, sum in sum.map { $0 / Double(rows(b).count) } }
    }
    let keyMeans = means(keys)
    let scale = 1 / Double(headSize).squareRoot()
    let coarse = means(queries).map { q in Oracle.softmax(keyMeans.map { Oracle.dot(q, $0) * scale }) }
    let saliency = (targetBlocks..<blocks).map { j in (0..<targetBlocks).reduce(0) { $0 + coarse[$1][j] } }
    let many = max(1, Int(Double(targetBlocks) * ratio))
    let sharpness = coarse.map { $0.prefix(targetBlocks).sorted(by: >).prefix(many).reduce(0, +) }
    return Scores(saliency: saliency, sharpness: sharpness)
  }

  /// Of every query block and block of the shortened keys: the product of their sums.
  public func listingScores(kept: [Int]) -> [[Double]] {
    let keySums = Authors.sums(shortened(keys, headSize, kept), headSize)
    return Authors.sums(queries, headSize).map { q in keySums.map { Oracle.dot(q, $0) } }
  }

  /// How many blocks a sparse query block lists.
  public var listedBlocks: Int { max(1, Int(ratio * Double(shortenedTokens / Authors.block))) }

  /// The best blocks of each sparse row, best first.
  public func listed(kept: [Int], full: [Bool]) -> [[Int]] {
    let scores = listingScores(kept: kept)
    return scores.indices.map { i in
      full[i] ? [] : Oracle.top(scores[i], Array(scores[i].indices), listedBlocks)
    }
  }

  /// All decisions; of equal scores the lower block first.
  public func choose() -> Choice {
    let scores = scores()
    let kept = Oracle.top(scores.saliency, Array(scores.saliency.indices), keptBlocks)
    var full = Array(repeating: false, count: blocks)
    for i in Oracle.top(scores.sharpness, Array(0..<blocks), blocks / 2) { full[i] = true }
    return Choice(kept: kept, full: full, listed: listed(kept: kept, full: full))
  }
}
