import GraphRewriting
import ONNXGraph

/// Attention in primitives, from a match of `DecomposedPattern` to neutral terms.
struct DecomposedAttention {
  let view: GraphView
  let match: Match

  /// - Returns: nil where it only looks like attention.
  func recognised() -> Result<Attention, Rejection>? {
    guard let first = match.nodes["first"], let second = match.nodes["second"], let softmax = match.nodes["softmax"],
      let query = match.values["q"], let key = match.values["k"], let value = match.values["v"],
      let scores = first.outputs.first, let probabilities = softmax.outputs.first, let output = second.outputs.first
    else { return nil }
    // A product with weights is a projection.
    if view.isConstant(key) || view.isConstant(value) || query == key && view.isConstant(query) { return nil }
    func reject(_ reason: KeptReason) -> Result<Attention, Rejection> {
      .failure(Rejection(reason: reason, softmax: probabilities, output: output, nodes: match.used))
    }
    guard sumsAgree() else { return nil }
    guard let queryShape = view.shape(query), let keyShape = view.shape(key), let valueShape = view.shape(value) else {
      return reject(.lengthsUnknown("how many axes its products have"))
    }
    guard let firstAxes = ProductAxes(first, left: queryShape.count, right: keyShape.count),
      let secondAxes = ProductAxes(second, left: firstAxes.result.count, right: valueShape.count)
    else { return reject(.formNotUnderstood("a product of other axes")) }
    guard let axis = softmaxAxis(softmax, rank: firstAxes.result.count),
      let axes = OperandAxes(
        first: firstAxes, second: secondAxes, softmaxAxis: axis, shapes: (queryShape, keyShape, valueShape))
    else { return reject(.formNotUnderstood("a softmax over another axis than the keys")) }
    var resolver = OperandResolver(walker: LayoutWalker(view: view), axes: axes)
    guard let resolved = resolver.resolve(query: query, key: key, value: value, output: output) else {
      return reject(.formNotUnderstood("tensors that do not lie as the operator reads them"))
    }
    guard let heads = resolved.heads?.value, let keyHeads = resolved.keyHeads?.value,
      let headSize = resolved.headSize?.value
    else { return reject(.lengthsUnknown("the number and size of its heads")) }
    guard resolver.hasOneBatch else { return reject(.formNotUnderstood("keys shared by a whole batch")) }
    guard secondAxes.alpha == 1 else { return reject(.formNotUnderstood("a factor in its second product")) }
    var scale = resolved.scale * firstAxes.alpha
    var masks: [Attention.Mask] = []
    var unscaled = 1.0
    // From the softmax inwards: a factor outside a mask counts for the mask too.
    for step in match.steps["scores"] ?? [] {
      switch step.tag {
      case "scale by Mul", "scale by Div":
        let number = step.numbers["factor"] ?? 1
        let factor = step.tag == "scale by Mul" ? number : 1 / number
        scale *= factor
        unscaled *= factor
      case "mask by Add":
        guard let mask = step.values["mask"] else { continue }
        if isZero(mask) { continue }
        masks.append(.additive(mask, factor: unscaled))
      case "mask by Where", "mask by Where, hiding":
        guard let mask = step.values["mask"], let fill = step.numbers["fill"] else { continue }
        masks.append(.boolean(mask, hides: step.tag != "mask by Where", fill: fill * unscaled))
      default: continue
      }
    }
    let attention = Attention(
      pattern: description(first: firstAxes, scaleBefore: resolved.scale != 1), query: resolved.query, key: resolved.key,
      value: resolved.value, output: resolved.output, scale: scale, masks: masks, isCausal: false, heads: Int(heads),
      keyHeads: Int(keyHeads), headSize: Int(headSize), batch: resolved.batch, queryLength: resolved.queryLength,
      keyLength: resolved.keyLength, nodes: match.used, softmax: probabilities)
    // The scores, and all between them and the second product, must not be read by others.
    if let user = otherUser(of: match.used, except: output, scores: scores) {
      return reject(.probabilitiesUsedElsewhere(user))
    }
    return .success(attention)
  }

  struct Rejection: Error {
    var reason: KeptReason
    var softmax: String
    var output: String
    var nodes: [Node]
  }

  /// Written-out softmaxes name their operand twice.
  private func sumsAgree() -> Bool {
    guard let sum = match.nodes["sum"] else { return true }
    if let exponential = match.nodes["exponential"] {
      let difference = exponential.inputs.first.flatMap { view.producer($0) }
      return sum.inputs.first == exponential.outputs.first
        && match.nodes["maximum"]?.inputs.first == difference?.inputs.first
    }
    let difference = match.nodes["softmax"]?.inputs.first.flatMap { view.producer($0) }
    return sum.inputs.first == difference?.inputs.first
  }

  /// The axis that the softmax sums over, where it is one.
  private func softmaxAxis(_ node: Node, rank: Int) -> Int? {
    if node.opType == "Softmax" {
      let axis = Int(clamping: node.int("axis") ?? ((view.opsets[""] ?? 0) >= 13 ? -1 : 1))
      let normal = axis < 0 ? axis + rank : axis
      // Before opset 13 everything from the axis on is one.
      if (view.opsets[""] ?? 0) < 13, normal != rank - 1 { return nil }
      return (0..<rank).contains(normal) ? normal : nil
    }
    let reductions = [match.nodes["sum"], match.nodes["maximum"]].compactMap { $0 }
    var found: Int?
    for reduction in reductions {
      let axes: [Int64]? =
        reduction.ints("axes")
        ?? (reduction.inputs.count > 1 ? view.shapes.numbers(of: reduction.inputs[1])?.map { Int64($0) } : nil)
      guard let axes, axes.count == 1, (reduction.int("keepdims") ?? 1) == 1 else { return nil }
      let normal = Int(clamping: axes[0] < 0 ? axes[0] + Int64(rank) : axes[0])
      guard (0..<rank).contains(normal), found == nil || found == normal else { return nil }
      found = normal
    }
    return found
  }

  /// A mask that is zero throughout, as old attention processors add.
  private func isZero(_ mask: String) -> Bool {
    if view.number(mask) == 0 { return true }
    return view.index.constant(mask)?.floatValues().map { $0.allSatisfy { $0 == 0 } } ?? false
  }

  /// A node outside the match that reads a value between the two products.
  private func otherUser(of nodes: [Node], except output: String, scores: String) -> String? {
    let own = Set(nodes.map(\.index))
    for node in nodes {
      for value in node.outputs where !value.isEmpty && value != output {
        if view.index.isOutput(value) { return "the graph's output \(value)" }
        for use in view.index.uses(of: value) where !own.contains(use.node) {
          let user = view.graph.nodes[use.node]
          // The guard's own question, and written-out softmaxes' sums.
          if ["IsNaN", "ReduceMax", "ReduceSum", "ReduceLogSumExp"].contains(user.opType),
            user.outputs.allSatisfy({ out in view.index.uses(of: out).allSatisfy { own.contains($0.node) } })
          {
            continue
          }
          return "\(user.opType) \(user.label)"
        }
      }
    }
    return nil
  }

  private func description(first: ProductAxes, scaleBefore: Bool) -> String {
    var parts = [match.tags["first product"] ?? "", match.tags["softmax"] ?? "", match.tags["second product"] ?? ""]
    if scaleBefore { parts.append("scale before the product") }
    if first.alpha != 1 { parts.append("scale in the product") }
    for step in match.steps["scores"] ?? [] where step.tag != "Identity" { parts.append(step.tag) }
    for step in match.steps["probabilities"] ?? [] where step.tag != "Identity" { parts.append("\(step.tag) after") }
    return parts.joined(separator: ", ")
  }
}
