import GraphRewriting
import ONNXGraph

/// Reads what is added to the scores or hides them: drops what does nothing, tells causal masks, finds conditions and
/// those that are the same for every query.
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

  /// - Parameter lowestHides: the lowest number stands for −∞.
  mutating func add(_ mask: String, factor: Double, over axes: ScoresAxes = .plain, lowestHides: Bool = false) {
    if isZero(mask) { return }
    noteCausality(of: mask)
    if let found = TwoValuedMask(mask, view) {
      var number = Float(found.number) * Float(factor)
      if lowestHides, number <= -Float.greatestFiniteMagnitude { number = -.infinity }
      if number < 0, let condition = condition(found.condition, hides: found.holdsNumber, over: axes) {
        masks.append(.hiding(condition, .added(number)))
        return
      }
    }
    if fits(mask, axes) { masks.append(.additive(mask, factor: factor, over: axes, lowestHides: lowestHides)) }
  }

  mutating func add(boolean mask: String, hides: Bool, fill: Double, over axes: ScoresAxes = .plain) {
    noteCausality(of: mask)
    guard let condition = condition(mask, hides: hides, over: axes) else { return _ = fits(mask, axes) }
    masks.append(.hiding(condition, .replaced(Float(fill))))
  }

  mutating func add(_ condition: Attention.Condition, added number: Float) {
    masks.append(.hiding(condition, .added(number)))
  }

  /// A mask that is the same for every query cannot be causal, though lengths of keys are compared alike.
  private mutating func noteCausality(of mask: String) {
    if let shape = view.shape(mask), shape.count >= 2, shape[shape.count - 2]?.value == 1 { return }
    if CausalMask(view: view).isCausal(mask) { isCausal = true }
  }

  /// - Returns: nil where the scores cannot take it.
  private func condition(_ mask: String, hides: Bool, over axes: ScoresAxes) -> Attention.Condition? {
    if let keys = keys(mask, over: axes) { return .init(value: keys.value, hides: hides, form: .keys(rank: keys.rank)) }
    guard placement(mask, axes) == nil else { return nil }
    return .init(value: mask, hides: hides, form: .scores(axes))
  }

  /// A mask that is the same for every head and query, as it is before it is expanded.
  private func keys(_ mask: String, over axes: ScoresAxes) -> (value: String, rank: Int)? {
    guard axes.batch.isEmpty, isInOrder else { return nil }
    var value = mask
    for _ in 0..<4 {
      if let shape = view.shape(value), view.elementType(value) == .bool, let last = shape.last, isKeys(last) {
        let isOne = shape.dropLast().map { $0?.value == 1 }
        switch shape.count {
        case 1: return (value, 1)
        case 2 where isOne[0]: return (value, 2)
        case 3 where isOne[0] && isOne[1]: return (value, 3)
        case 4 where isOne[1] && isOne[2] && fitsBatch(shape[0]): return (value, 4)
        default: break
        }
      }
      guard let node = view.producer(value), ["Expand", "Identity"].contains(node.opType), node.domain.isEmpty,
        let source = node.inputs.first
      else { return nil }
      value = source
    }
    return nil
  }

  private func fitsBatch(_ length: Dimension?) -> Bool {
    length != nil && (length?.value == 1 || length == attention.batch)
  }
  private func isKeys(_ length: Dimension?) -> Bool { length != nil && length == attention.keyLength }

  private mutating func fits(_ mask: String, _ axes: ScoresAxes) -> Bool {
    guard let why = placement(mask, axes) else { return true }
    refusal = why
    return false
  }

  /// Why [B, Hq, Sq, Sk] does not take the mask, with batch and heads apart or as one axis; nil where it does.
  private func placement(_ mask: String, _ axes: ScoresAxes) -> String? {
    guard let shape = view.shape(mask) else { return "its shape is not known" }
    if shape.isEmpty { return nil }
    if isInOrder, shape.count <= axes.rank {
      if axes.batch.isEmpty || shape.count <= 3 || MaskPlacement(shape, batch: axes.batch) != nil { return nil }
    }
    return "its axes are not the operator's"
  }

  /// A mask that is zero throughout, as old attention processors add.
  private func isZero(_ mask: String) -> Bool {
    if view.number(mask) == 0 { return true }
    return view.index.constant(mask)?.floatValues().map { $0.allSatisfy { $0 == 0 } } ?? false
  }
}
