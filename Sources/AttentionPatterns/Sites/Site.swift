import ONNXGraph
import SparseAttention

/// One softmax attention of a model.
public struct Site: Sendable {
  /// The module path that the exporter left, else the node's name; unique in the model.
  public var name: String
  /// First output of the softmax or fused operator.
  public var output: String
  /// The subgraph or call that it stands in; "" for the main graph.
  public var path: String
  public var location: GraphLocation
  public var kind: Kind
  public var axis: Axis?
  public var heads: Int?
  public var keyHeads: Int?
  public var headSize: Int?
  public var batch: Dimension?
  public var queryLength: Dimension?
  public var keyLength: Dimension?
  /// Of the keys; those of the queries are the same where the lengths are.
  public var segments: [SiteSegment]
  public var querySegments: [SiteSegment]
  /// Kinds of the keys' segments in order, where the graph tells them, whether or not it tells their lengths.
  public var segmentOrder: [SegmentKind] = []
  /// True where the sequence has parts of which the graph does not tell which is what: `--segments` has to.
  public var segmentsAreUnsure = false
  public var mask: String
  public var pattern: String
  /// Names of the nodes that it consists of.
  public var nodes: [String]
  /// The same with their operators, as the pattern goes through them: from the second product upstream.
  public var trail: [String]
  /// The one that its reason is about.
  public var stop: String?
  /// What is known for replacing it; nil where it cannot be.
  public var attention: Attention?
  /// Why it cannot be replaced, or will not be.
  public var reason: KeptReason?

  public enum Kind: String, Sendable {
    case `self`, cross, joint
  }

  public enum Axis: String, Sendable {
    case spatiotemporal, spatial, temporal, text
  }

  public var isReplaceable: Bool { attention != nil && !(reason?.isForCorrectness ?? false) }
}

/// A run of tokens, its lengths as expressions over the model's inputs.
public struct SiteSegment: Hashable, Sendable {
  public var kind: SegmentKind
  public var length: Dimension
  /// Frames, rows, columns.
  public var grid: [Dimension]?

  public init(kind: SegmentKind, length: Dimension, grid: [Dimension]? = nil) {
    self.kind = kind
    self.length = length
    self.grid = grid
  }
}
