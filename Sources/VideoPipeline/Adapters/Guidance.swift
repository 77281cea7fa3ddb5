/// How a family follows its text and its source more closely than it was trained to.
public enum Guidance: Equatable, Sendable {
  case none
  /// Every branch is evaluated, in one call where the model's batch is as large; the results are put together.
  case branches([Branch], keepsNorm: Bool)
  /// The model is given the scale, times a factor.
  case embedded(scale: Double, factor: Double)

  /// One evaluation. The result is that of the first branch, and for every other one its scale times how much it
  /// differs from the branch before.
  public struct Branch: Equatable, Sendable {
    public enum Text: String, Sendable, CaseIterable {
      case positive, negative
    }

    public enum Source: String, Sendable, CaseIterable {
      case clip, blank
    }

    public var name: String
    public var text = Text.positive
    public var source = Source.clip
    /// Of the first branch, without meaning.
    public var scale = 1.0
  }

  /// Classifier-free guidance (Ho and Salimans 2022): negative + scale·(positive − negative).
  /// - Parameter keepsNorm: each token is scaled back to the norm that it has in the last branch.
  public static func classifierFree(scale: Double, keepsNorm: Bool = false) -> Guidance {
    .branches([Branch(name: "negative", text: .negative), Branch(name: "positive", scale: scale)], keepsNorm: keepsNorm)
  }

  /// The same with another scale, of the last branch.
  public func with(scale: Double?) -> Guidance {
    guard let scale else { return self }
    switch self {
    case .none: return self
    case .branches(var list, let keepsNorm):
      if !list.isEmpty { list[list.count - 1].scale = scale }
      return .branches(list, keepsNorm: keepsNorm)
    case .embedded(_, let factor): return .embedded(scale: scale, factor: factor)
    }
  }

  /// The branches that have to be run: where every scale is 1, the last alone.
  var needed: [Branch] {
    guard case .branches(let list, _) = self else { return [Branch(name: "")] }
    return list.dropFirst().allSatisfy { $0.scale == 1 } ? Array(list.suffix(1)) : list
  }

  /// The calls' branches for a model whose batch is fixed; nil: it takes any.
  func calls(batch: Int?) -> [[Branch]] {
    guard case .branches(let list, _) = self, batch == list.count else { return needed.map { [$0] } }
    return [list]
  }

  var keepsNorm: Bool { if case .branches(_, true) = self { true } else { false } }

  /// Puts the branches' results together, in their order.
  static func combined(_ results: [[Float]], _ branches: [Branch]) -> [Float] {
    guard let first = results.first else { return [] }
    return first.indices.map { i in
      var value = Double(first[i])
      for branch in results.indices.dropFirst() {
        value += branches[branch].scale * (Double(results[branch][i]) - Double(results[branch - 1][i]))
      }
      return Float(value)
    }
  }
}
