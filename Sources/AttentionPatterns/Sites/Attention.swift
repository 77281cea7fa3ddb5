import ONNXGraph

/// Softmax attention in neutral terms, whatever its graph wrote: softmax(scale · q kᵀ + masks) v.
public struct Attention: Sendable {
  /// Tags of the alternatives that fitted, for people: `scale on q and k`, `mask by Where`.
  public var pattern: String
  public var query: Operand
  public var key: Operand
  public var value: Operand
  public var output: Operand
  /// Of the scores, all factors folded in.
  public var scale: Double
  public var masks: [Mask]
  public var isCausal: Bool
  public var heads: Int
  public var keyHeads: Int
  public var headSize: Int
  public var batch: Dimension?
  public var queryLength: Dimension?
  public var keyLength: Dimension?
  /// The nodes between its inputs and its output.
  public var nodes: [Node]
  /// First output of the softmax or fused operator.
  public var softmax: String

  /// A tensor that the operator reads or writes.
  public struct Operand: Sendable {
    public var value: String
    public var layout: TensorLayout
    /// A transposition to be put between, where the operator cannot read the value as it lies.
    public var transposition: [Int]?
  }

  /// What is added to the scores, or hides keys.
  public enum Mask: Sendable {
    /// Added, times a factor.
    case additive(String, factor: Double)
    /// True keeps a score, or hides it where `hides`; hidden scores become `fill`.
    case boolean(String, hides: Bool, fill: Double)
  }
}
