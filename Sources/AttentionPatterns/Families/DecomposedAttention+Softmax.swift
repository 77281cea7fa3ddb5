import GraphRewriting
import ONNXGraph

/// Which axis a softmax goes over, and whether the parts of one that is written out belong together.
extension DecomposedAttention {
  /// Written-out softmaxes name their operand twice.
  func sumsAgree() -> Bool {
    guard let sum = match.nodes["sum"] else { return true }
    let summed =
      switch match.tags["softmax"] {
      case "Exp": match.nodes["softmax"]?.outputs.first
      case "ReduceLogSumExp": match.nodes["normalised"]?.inputs.first
      default: match.nodes["exponential"]?.outputs.first
      }
    return summed != nil && sum.inputs.first == summed
  }

  /// Without its maximum, a softmax of a row whose scores are all finite and very low is 0/0 or a sum that rounding has
  /// lost; the operator would weigh them alike.
  func rowsWithoutKeysAgree(_ attention: Attention) -> Bool {
    guard ["Exp and ReduceSum", "ReduceLogSumExp", "Exp"].contains(match.tags["softmax"] ?? ""),
      !(match.steps["scores"] ?? []).contains(where: { $0.tag == "maximum subtracted" })
    else { return true }
    return attention.masks.allSatisfy { mask in
      if case .hiding(_, let effect) = mask { effect.number == -.infinity } else { false }
    }
  }

  /// A sum or a maximum that does not lie over the scores again, the same for all keys of a query.
  func misplacedReduction(axis: Int, rank: Int, second: ProductAxes) -> Node? {
    for step in match.steps["scores"] ?? [] {
      guard let difference = step.nodes["difference"], let maximum = step.nodes["maximum"] else { continue }
      guard reducedAxis(maximum, rank: rank) == axis, difference.inputs.count == 2,
        liesOver(difference.inputs[1], of: maximum, rank: rank, axis: axis)
      else { return difference }
    }
    guard let sum = match.nodes["sum"] else { return nil }
    let divisor: String?
    if let reciprocal = match.nodes["reciprocal"] {
      divisor = reciprocal.inputs.first
    } else {
      divisor = (match.nodes["normalised"] ?? match.nodes["softmax"])?.inputs.dropFirst().first
    }
    if match.tags["softmax"] == "Exp" {
      // The sums stand beside the product: its rows have to be where those of the scores are.
      let isInPlace = second.result.enumerated().allSatisfy { position, letter in
        position == axis
          ? !second.left.contains(letter) : second.left.indices.contains(position) && second.left[position] == letter
      }
      guard isInPlace else { return sum }
    }
    guard let divisor, liesOver(divisor, of: sum, rank: rank, axis: axis) else { return sum }
    return nil
  }

  /// True where a reduction's result has its axis back, with length one or repeated.
  private func liesOver(_ value: String, of reduction: Node, rank: Int, axis: Int) -> Bool {
    guard let result = reduction.outputs.first, var wanted = view.shape(result) else { return false }
    let keepsAxes = reduction.int("keepdims") ?? 1 != 0
    guard wanted.count == (keepsAxes ? rank : rank - 1) else { return false }
    if !keepsAxes { wanted.insert(1, at: axis) }
    // Data in the same order: lengths tell the axes where no more than one is not known.
    let isTold = wanted.count { $0 == nil } < 2
    var value = value
    for _ in 0..<8 {
      if value == result { return keepsAxes }
      guard let shape = view.shape(value), let node = view.producer(value), let source = node.inputs.first else {
        return false
      }
      if shape == wanted, node.opType == "Unsqueeze" || node.opType == "Reshape" && isTold { return true }
      guard ["Expand", "Identity", "Cast"].contains(node.opType) || shape == wanted else { return false }
      value = source
    }
    return false
  }

  /// The axis that the softmax sums over, where it is one.
  func softmaxAxis(_ node: Node, rank: Int) -> Int? {
    if ["Softmax", "LogSoftmax"].contains(node.opType) {
      let isOld = (view.opsets[""] ?? 0) < 13
      // Reshaped scores may have more axes than the product.
      let own = node.inputs.first.flatMap { view.shape($0)?.count } ?? rank
      let axis = Int(clamping: node.int("axis") ?? (isOld ? 1 : -1))
      let normal = axis < 0 ? axis + own : axis
      // Before opset 13 everything from the axis on is one.
      if isOld || own != rank, normal != own - 1 { return nil }
      return (0..<own).contains(normal) ? normal + (own == rank ? 0 : rank - own) : nil
    }
    return match.nodes["sum"].flatMap { reducedAxis($0, rank: rank) }
  }

  /// The one axis of a reduction.
  private func reducedAxis(_ reduction: Node, rank: Int) -> Int? {
    let axes: [Int64]? =
      reduction.ints("axes")
      ?? (reduction.inputs.count > 1 ? view.shapes.numbers(of: reduction.inputs[1])?.map { Int64($0) } : nil)
    guard let axes, axes.count == 1 else { return nil }
    let normal = Int(clamping: axes[0] < 0 ? axes[0] + Int64(rank) : axes[0])
    return (0..<rank).contains(normal) ? normal : nil
  }
}
