/// One head of In-context Sparse Attention as its authors' published code computes it, in float64.
///
/// For tests: no model can ask for it. It differs from `Policy.paper` where lengths are ragged: the target ends at its
/// last whole block, a partial context block that is kept brings its padding in as keys of zeros, and a Taylor term
/// weighs 64 keys whatever its block holds. The coarse output that the model's trained gate would add is left out.
public struct Authors: Sendable {
  /// Tokens of a block.
  public static let block = 64

  /// [tokens][head size], row-major, and [tokens][value size]; the target's tokens first.
  public let queries, keys, values: [Double]
  public let headSize, valueSize: Int
  public let tokens, target: Int
  /// Share of the target's blocks that sharpness sums, and of a row's blocks that a sparse query block lists.
  public let ratio: Double

  /// What was decided for the head.
  public struct Choice: Equatable, Sendable {
    /// Kept context blocks, numbered within the context, most salient first: their order numbers `listed`.
    public var kept: [Int]
    /// [blocks]: full attention.
    public var full: [Bool]
    /// [blocks][listed], best first, as blocks of the shortened keys; empty where full.
    public var listed: [[Int]]

    public init(kept: [Int], full: [Bool], listed: [[Int]]) {
      self.kept = kept
      self.full = full
      self.listed = listed
    }
  }

  /// - Throws: where the arrays do not hold whole rows of the same number of tokens, or the target is no part of them.
  public init(
    queries: [Double], keys: [Double], values: [Double], headSize: Int, target: Int, ratio: Double = 0.0625
  ) throws(AttentionError) {
    guard headSize > 0, !queries.isEmpty, queries.count % headSize == 0, keys.count == queries.count,
      values.count % (queries.count / headSize) == 0, (0...queries.count / headSize).contains(target)
    else {
      throw .unsupported("Queries, keys and values must be rows of the same tokens, the target's first.")
    }
    self.queries = queries
    self.keys = keys
    self.values = values
    self.headSize = headSize
    self.target = target
    self.ratio = ratio
    tokens = queries.count / headSize
    valueSize = values.count / tokens
  }

  /// All blocks, the target's whole ones, the others, and how many of those are kept.
  public var blocks: Int { (tokens + Authors.block - 1) / Authors.block }
  public var targetBlocks: Int { target / Authors.block }
  public var contextBlocks: Int { blocks - targetBlocks }
  public var keptBlocks: Int { contextBlocks / 8 }

  /// Tokens of the shortened keys: the target and whole kept blocks, padding included.
  public var shortenedTokens: Int { target + Authors.block * keptBlocks }

  func rows(_ block: Int) -> Range<Int> { block * Authors.block..<min(tokens, (block + 1) * Authors.block) }

  /// [blocks of 64 rows][width] sums; the last block may have fewer rows.
  static func sums(_ x: [Double], _ width: Int) -> [[Double]] {
    let count = x.count / max(1, width)
    return stride(from: 0, to: count, by: block).map { start in
      var sum = Array(repeating: 0.0, count: width)
      for row in start..<min(count, start + block) {
        for c in 0..<width { sum[c] += x[row * width + c] }
      }
      return sum
    }
  }

  /// The target's rows, then those of the kept blocks, taken from rows that are padded with zeros to whole blocks.
  func shortened(_ x: [Double], _ width: Int, _ kept: [Int]) -> [Double] {
    var result = Array(x.prefix(target * width))
    for j in kept {
      let rows = rows(targetBlocks + j)
      result += x[rows.lowerBound * width..<rows.upperBound * width]
      result += Array(repeating: 0, count: (Authors.block - rows.count) * width)
    }
    return result
  }
}
