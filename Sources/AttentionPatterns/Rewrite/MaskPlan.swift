import ONNXGraph
import SparseAttention

/// A site's masks in the operator's terms: what hides keys from everyone, what is added to the scores, and what rows
/// without any key give. It holds for every content of the masks, or there is a refusal.
struct MaskPlan {
  /// What is added to the scores.
  enum Bias: Equatable {
    case value(String, factor: Double, over: ScoresAxes, lowestHides: Bool)
    /// A number where a condition hides.
    case hidden(Attention.Condition, Float)
  }

  /// All have to keep a key.
  private(set) var keys: [Attention.Condition] = []
  private(set) var maskedKeys = MaskedKeys.absent
  private(set) var bias: [Bias] = []
  /// The bias is added before `maskedKeys` adds to masked keys.
  private(set) var biasFirst = false
  /// Conditions that put `replacingBias` in the place of scores and their bias.
  private(set) var replacements: [Attention.Condition] = []
  private(set) var replacingBias: Float?
  private(set) var emptyRows = EmptyRows.zero
  /// Why there is none, as a clause about the mask.
  private(set) var refusal: String?

  /// Scores of this or less leave nothing of a key: −10,000 in bfloat16.
  static let hidden: Float = -9984
  /// The lowest number of float16.
  static let lowestHalf: Float = -65504

  var hasBias: Bool { !bias.isEmpty || !replacements.isEmpty }

  init(_ attention: Attention, in view: GraphView) {
    let masks = attention.masks
    let isReplaced = masks.map { mask in
      if case .hiding(_, .replaced(let number)) = mask { number != -.infinity } else { false }
    }
    if let innermost = isReplaced.lastIndex(of: true) {
      replace(masks, isReplaced, innermost, view)
    } else {
      add(masks, scale: Float(attention.maskScale))
    }
    if attention.elementType == .float16 { fitHalf(view) }
    let hasEmptyRows = hasBias || (!keys.isEmpty && maskedKeys == .absent)
    emptyRows = hasEmptyRows && !attention.hasZeroEmptyRows ? .nan : .zero
  }

  /// Numbers beside which no digit of a score is left; what is not as low rounds scores, and rows without other keys
  /// show it.
  private static let swallowing: Float = -5e8

  /// Masks none of which puts a finite number in the place of scores.
  private mutating func add(_ masks: [Attention.Mask], scale: Float) {
    var lowered: [Int] = []
    for (i, mask) in masks.enumerated() {
      if case .hiding(let condition, .added(let number)) = mask, number * scale <= Self.hidden, number > -.infinity {
        if condition.isPerKey, maskedKeys == .absent {
          keys = [condition]
          maskedKeys = .biased(number)
          biasFirst = i == 0 && masks.count > 1
          lowered.append(i)
        } else if number > Self.swallowing {
          lowered.append(i)
        }
      }
    }
    guard maskedKeys != .absent else {
      if lowered.count > 0, masks.count > 1 { refusal = Self.inTurn }
      for mask in masks { add(mask) }
      return
    }
    // Between two others, or two of them: the operator adds no more than twice.
    if case .biased(let number) = maskedKeys, number > Self.swallowing || lowered.count > 1,
      lowered.count > 1 || (lowered[0] > 0 && lowered[0] < masks.count - 1)
    {
      refusal = Self.inTurn
    }
    for (i, mask) in masks.enumerated() where i != lowered[0] {
      // The key mask says to what something is added; what hides for good goes with the bias.
      if case .hiding(let condition, let effect) = mask {
        bias.append(.hidden(condition, effect.number))
      } else {
        add(mask)
      }
    }
  }

  private static let inTurn = "it adds numbers in turn, and rows without other keys show how these were rounded"

  private mutating func add(_ mask: Attention.Mask) {
    switch mask {
    case .additive(let value, let factor, let axes, let lowestHides):
      bias.append(.value(value, factor: factor, over: axes, lowestHides: lowestHides))
    case .hiding(let condition, .replaced(let number)), .hiding(let condition, .added(let number)):
      if condition.isPerKey, number == -.infinity {
        keys.append(condition)
      } else {
        bias.append(.hidden(condition, number))
      }
    }
  }

  private mutating func replace(
    _ masks: [Attention.Mask], _ isReplaced: [Bool], _ innermost: Int, _ view: GraphView
  ) {
    var number: Float?
    for (mask, isReplaced) in zip(masks[...innermost], isReplaced) {
      guard isReplaced, case .hiding(let condition, .replaced(let fill)) = mask else {
        refusal = "it adds to scores, or hides some, after others were replaced by a number"
        return
      }
      guard number ?? fill == fill, fill.isFinite else {
        refusal = fill.isFinite ? "it replaces scores by two numbers" : "it puts \(fill) in the place of scores"
        return
      }
      number = fill
      if condition.isPerKey { keys.append(condition) } else { replacements.append(condition) }
    }
    guard let number else { return }
    if !keys.isEmpty { maskedKeys = .scored(number) }
    if !replacements.isEmpty {
      guard number < 0 else {
        refusal = "it puts \(number) in the place of scores"
        return
      }
      replacingBias = number
    }
    for mask in masks[(innermost + 1)...] {
      if !replacements.isEmpty, !staysAbove(number, mask, view) {
        refusal = "it replaces scores to which something was added that only a run knows"
        return
      }
      // The key mask says what replaces a score; what hides for good goes with the bias.
      if case .hiding(let condition, _) = mask, condition.isPerKey {
        bias.append(.hidden(condition, -.infinity))
      } else {
        add(mask)
      }
    }
  }

  /// True where a bias is never taken for one that replaces, or hides for good in any case.
  private func staysAbove(_ number: Float, _ mask: Attention.Mask, _ view: GraphView) -> Bool {
    switch mask {
    case .hiding(_, .added(let added)): added == -.infinity || added > number / 2
    case .hiding(_, .replaced(let fill)): fill == -.infinity
    case .additive(let value, let factor, _, let lowestHides):
      !lowestHides
        && view.index.constant(value)?.floatValues().map { values in
          values.allSatisfy { Double($0) * factor > Double(number) / 2 }
        } ?? false
    }
  }

  /// Numbers that float16 does not hold: beside them no digit of a score counts, as beside one that replaces it.
  private mutating func fitHalf(_ view: GraphView) {
    for (i, bias) in bias.enumerated() {
      switch bias {
      case .value(let value, _, _, _):
        if view.elementType(value).map({ $0 != .float16 }) ?? false { replacingBias = replacingBias ?? Self.lowestHalf }
      case .hidden(let condition, let number):
        guard number < Self.lowestHalf, number > -.infinity else { continue }
        self.bias[i] = .hidden(condition, Self.lowestHalf)
        replacingBias = replacingBias ?? Self.lowestHalf
      }
    }
    if let number = replacingBias { replacingBias = max(number, Self.lowestHalf) }
  }
}

extension Attention {
  /// True where its masks are a bias on the scores, which exact policies alone take.
  public func needsBias(in view: GraphView) -> Bool { MaskPlan(self, in: view).hasBias }
}
