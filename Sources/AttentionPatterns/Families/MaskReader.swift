import GraphRewriting
import ONNXGraph

/// Reads what is added to the scores or hides them: drops what does nothing, tells causal masks, finds those that are
/// the same for every query.
struct MaskReader {
  let view: GraphView
  let attention: Attention
  /// False where the scores' axes are not batch, heads, queries, keys.
  var isInOrder = true
  private(set) var masks: [Attention.Mask] = []
  private(set) var isCausal = false
  private(set) var refusal: String?

  init(view: GraphView, attention: Attention) {
    self.view = view
    self.attention = attention
  }

  /// What is this low hides for good: no score comes near it.
  static let lowest = -1e9

  mutating func add(_ mask: String, factor: Double, over axes: ScoresAxes = .plain) {
    if isZero(mask) { return }
    noteCausality(of: mask)
    // What a decomposition makes of a boolean mask.
    if factor > 0, let node = view.producer(mask), Pattern.Operator(of: node) == .init("Where"), node.inputs.count == 3,
      let a = view.number(node.inputs[1]), let b = view.number(node.inputs[2]), min(a, b) < Self.lowest, max(a, b) == 0,
      keys(node.inputs[0], hides: a != 0, over: axes)
    {
      return
    }
    if fits(mask, axes) { masks.append(.additive(mask, factor: factor, over: axes)) }
  }

  mutating func add(boolean mask: String, hides: Bool, fill: Double, over axes: ScoresAxes = .plain) {
    noteCausality(of: mask)
    if fill < Self.lowest, keys(mask, hides: hides, over: axes) { return }
    guard fits(mask, axes) else { return }
    guard fill <= -1e4 else {
      refusal = "it puts \(fill) in the place of scores"
      return
    }
    masks.append(.boolean(mask, hides: hides, fill: fill, over: axes))
  }

  /// A mask that is the same for every query cannot be causal, though lengths of keys are compared alike.
  private mutating func noteCausality(of mask: String) {
    if let shape = view.shape(mask), shape.count >= 2, shape[shape.count - 2]?.value == 1 { return }
    if CausalMask(view: view).isCausal(mask) { isCausal = true }
  }

  /// True where it was taken as a mask of keys: the same for every head and query.
  private mutating func keys(_ mask: String, hides: Bool, over axes: ScoresAxes) -> Bool {
    guard axes.batch.isEmpty else { return false }
    var value = mask
    for _ in 0..<4 {
      if let shape = view.shape(value), isInOrder {
        if shape.count == 4, shape[1]?.value == 1, shape[2]?.value == 1, fitsBatch(shape[0]), isKeys(shape[3]) {
          masks.append(.keys(value, rank: 4, hides: hides))
          return true
        }
        if shape.count == 2, axes.rank == 4, shape[0]?.value == 1, isKeys(shape[1]) {
          masks.append(.keys(value, rank: 2, hides: hides))
          return true
        }
      }
      guard let node = view.producer(value), ["Expand", "Identity"].contains(node.opType), node.domain.isEmpty,
        let source = node.inputs.first
      else { return false }
      value = source
    }
    return false
  }

  private func fitsBatch(_ length: Dimension?) -> Bool {
    length != nil && (length?.value == 1 || length == attention.batch)
  }
  private func isKeys(_ length: Dimension?) -> Bool { length != nil && length == attention.keyLength }

  /// True where [B, Hq, Sq, Sk] takes the mask, with batch and heads apart or as one axis; else the refusal is noted.
  private mutating func fits(_ mask: String, _ axes: ScoresAxes) -> Bool {
    guard let shape = view.shape(mask) else {
      refusal = "its shape is not known"
      return false
    }
    if shape.isEmpty { return true }
    if isInOrder, shape.count <= axes.rank {
      if axes.batch.isEmpty || shape.count <= 3 || MaskPlacement(shape, batch: axes.batch) != nil { return true }
    }
    refusal = "its axes are not the operator's"
    return false
  }

  /// A mask that is zero throughout, as old attention processors add.
  private func isZero(_ mask: String) -> Bool {
    if view.number(mask) == 0 { return true }
    return view.index.constant(mask)?.floatValues().map { $0.allSatisfy { $0 == 0 } } ?? false
  }
}
