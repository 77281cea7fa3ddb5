/// Type of the operator's products; sums are always float32.
public enum ComputeType: String, Sendable, CaseIterable {
  case float32, float16, bfloat16
}

/// All that a patched site's node is told about approximating: what holds for the node, and a policy per point and head.
public struct SitePolicy: Equatable, Sendable {
  /// 64 or 128 queries a block.
  public var blockQ: Int
  /// 32 or 64 keys a block.
  public var blockK: Int
  /// Tokens of a tile by frames × rows × columns; nil keeps sequence order.
  public var tile: Grid?
  /// What becomes of the tokens that no whole tile covers.
  public var edges: TileEdges
  public var compute: ComputeType
  /// [points][heads]; a point is an operating point, quality × phases + phase.
  public var points: [[Policy]]

  public init(
    blockQ: Int = 64, blockK: Int = 64, tile: Grid? = nil, edges: TileEdges = .shared,
    compute: ComputeType = .float32, points: [[Policy]]
  ) {
    self.blockQ = blockQ
    self.blockK = blockK
    self.tile = tile
    self.edges = edges
    self.compute = compute
    self.points = points
  }

  /// The same policy for every head, at one point.
  public static func uniform(_ policy: Policy, heads: Int, tile: Grid? = nil) -> SitePolicy {
    SitePolicy(tile: tile, points: [Array(repeating: policy, count: heads)])
  }
}
