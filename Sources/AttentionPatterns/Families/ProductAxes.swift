import GraphRewriting
import ONNXGraph

/// The axes of a product's operands and result as letters, as Einsum writes them: a MatMul of [B, H, S, D] and
/// [B, H, D, T] is `abij,abjk->abik`. One description for every operator that multiplies.
struct ProductAxes: Equatable, Sendable {
  var left: [Character]
  var right: [Character]
  var result: [Character]
  /// The product's own factor.
  var alpha: Double

  /// - Returns: nil where ranks are not known or the operator is none of the four.
  init?(_ node: Node, left: Int?, right: Int?) {
    switch Pattern.Operator(of: node) {
    case .init("MatMul"), .init("MatMulInteger"):
      guard let left, let right, left == right, (2...8).contains(left) else { return nil }
      self.init(rank: left, transposed: nil)
    case .init("FusedMatMul", domain: "com.microsoft"):
      guard let left, let right, left == right, (2...8).contains(left), (node.int("transBatchA") ?? 0) == 0,
        (node.int("transBatchB") ?? 0) == 0
      else { return nil }
      self.init(rank: left, transposed: node)
    case .init("Gemm"):
      self.init(rank: 2, transposed: node)
    case .init("Einsum"):
      guard let equation = node.string("equation") else { return nil }
      self.init(equation: equation)
    default: return nil
    }
  }

  private init(rank: Int, transposed node: Node?) {
    let batch = Array("abcdefgh".prefix(rank - 2))
    left = batch + (node?.int("transA") ?? 0 != 0 ? ["j", "i"] : ["i", "j"])
    right = batch + (node?.int("transB") ?? 0 != 0 ? ["k", "j"] : ["j", "k"])
    result = batch + ["i", "k"]
    alpha = Double(node?.float("alpha") ?? 1)
  }

  private init?(equation: String) {
    let text = equation.filter { $0 != " " }
    let sides = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard sides.count == 2, sides[1].first == ">" else { return nil }
    let inputs = sides[0].split(separator: ",", omittingEmptySubsequences: false)
    guard inputs.count == 2 else { return nil }
    left = Array(inputs[0])
    right = Array(inputs[1])
    result = Array(sides[1].dropFirst())
    alpha = 1
    for list in [left, right, result] {
      guard list.allSatisfy(\.isLetter), Set(list).count == list.count else { return nil }
    }
  }

  /// The same product with its operands named the other way round.
  var swapped: ProductAxes {
    var copy = self
    (copy.left, copy.right) = (right, left)
    return copy
  }

  /// The letters of the left operand before it was transposed.
  func beforeTransposing(left order: [Int]) -> ProductAxes? {
    guard Set(order) == Set(left.indices) else { return nil }
    var copy = self
    for (position, axis) in order.enumerated() { copy.left[axis] = left[position] }
    return copy
  }

  /// The same product with its result transposed.
  ///
  /// - Parameter order: as `perm` gives it; empty: all axes the other way round.
  func transposingResult(_ order: [Int]) -> ProductAxes? {
    let order = order.isEmpty ? Array(result.indices.reversed()) : order
    guard order.count == result.count, Set(order) == Set(result.indices) else { return nil }
    var copy = self
    copy.result = order.map { result[$0] }
    return copy
  }
}
