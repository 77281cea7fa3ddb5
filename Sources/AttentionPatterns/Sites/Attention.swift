import ONNXGraph

/// Softmax attention in neutral terms, whatever its graph wrote: softmax(scale · q kᵀ + masks) v.
public struct Attention: Sendable {
  public var query: Operand
  public var key: Operand
  public var value: Operand
  public var output: Operand
  /// Of the scores, all factors folded in.
  public var scale: Double
  /// From the softmax inwards.
  public var masks: [Mask]
  /// A query without any key gives zeros, as where the graph puts zeros in the place of its weights; else NaN.
  public var hasZeroEmptyRows = false
  /// By what scores are multiplied after the masks; it is in `scale` already.
  public var maskScale = 1.0
  public var isCausal: Bool
  public var heads: Int
  public var keyHeads: Int
  public var headSize: Int
  public var batch: Dimension?
  public var queryLength: Dimension?
  public var keyLength: Dimension?

  /// Nodes that make what the operator reads, where the original has it inside of one node. Their outputs start with
  /// `%` and get names when they are added.
  public var prelude: [NewNode] = []
  /// [B, S, …] in the graph whose sequence is the queries', where the prelude makes them; the same for the keys.
  var sequenceSource: String?
  var keySource: String?
  /// Of query, key and value.
  public var elementType: ElementType?

  /// A tensor that the operator reads or writes.
  public struct Operand: Equatable, Sendable {
    public var value: String
    public var layout: TensorLayout
    /// How many of the value's leading axes are the batch: where there is none, one is put before the others; several
    /// are made one.
    public var batchAxes = 1
    /// A transposition to be put between, where the operator cannot read the value as it lies: before its batch is made
    /// one axis, and after one is put before the others.
    public var transposition: [Int]?
    /// What the value is multiplied with as it lies: factors of the scores that are no numbers.
    public var factors: [Factor] = []
    /// True where the value stands once for the batch that the others have.
    public var isRepeatedOverBatch = false

    public struct Factor: Equatable, Sendable {
      public var value: String
      public var divides: Bool
    }
  }

  /// One thing that is done to the scores before the softmax.
  public enum Mask: Equatable, Sendable {
    /// A value is added, times a factor. With `lowestHides`, its type's lowest number stands for −∞.
    case additive(String, factor: Double, over: ScoresAxes, lowestHides: Bool = false)
    /// Scores that a condition hides.
    case hiding(Condition, Effect)
  }

  /// What becomes of hidden scores.
  public enum Effect: Equatable, Sendable {
    /// A number stands in their place.
    case replaced(Float)
    /// A number is added to them.
    case added(Float)

    var number: Float {
      switch self {
      case .replaced(let number), .added(let number): number
      }
    }
  }

  /// Which scores are hidden.
  public struct Condition: Equatable, Sendable {
    public var value: String
    /// True hides; else true keeps.
    public var hides: Bool
    public var form: Form

    public enum Form: Equatable, Sendable {
      /// Booleans that broadcast to the scores.
      case scores(ScoresAxes)
      /// Booleans, the same for all heads and queries: [Sk], [1, Sk], [1, 1, Sk] or [B or 1, 1, 1, Sk] by rank.
      case keys(rank: Int)
      /// Integers, more than zero where a key takes part: [B or 1, Sk].
      case positiveKeys
      /// The same for each query: [B, Sq, Sk].
      case positiveRows
      /// How many keys of a batch entry take part, [B], and with `starts` from which on, after these: [2·B]. The keys are
      /// an axis of `source`.
      case lengths(source: String, axis: Int, starts: Bool)
    }

    /// True where it is the same for all heads and queries.
    public var isPerKey: Bool {
      switch form {
      case .keys, .positiveKeys, .lengths: true
      case .scores, .positiveRows: false
      }
    }
  }
}

/// What a family found at a node: an attention, or what only a person would call one.
struct Recognition {
  /// The softmax or the fused operator.
  var softmax: Node
  var nodes: [Node]
  /// Tags of the alternatives that fitted, for people: `MatMul, Softmax, MatMul, mask by Where`.
  var pattern: String
  /// Nil where it cannot be said in neutral terms.
  var attention: Attention?
  /// Why it cannot be replaced.
  var reason: KeptReason?
  /// The node that the reason is about.
  var stop: Node?
  /// Readers of its scores besides itself: it can be replaced where all of them belong to other sites.
  var sharing: [Sharing] = []

  struct Sharing {
    var node: Node
    var user: Node
  }
}
