import GraphRewriting
import ONNXGraph

/// Attention in primitives, from a match of `DecomposedPattern` to neutral terms.
struct DecomposedAttention {
  let view: GraphView
  let match: Match

  /// - Returns: nil where it only looks like attention.
  func recognised() -> Recognition? {
    guard let first = match.nodes["first"], let second = match.nodes["second"], let softmax = match.nodes["softmax"],
      var query = match.values["q"], var key = match.values["k"], let value = match.values["v"],
      let output = match.values["output"], sumsAgree()
    else { return nil }
    // A product with weights is a projection.
    if view.isConstant(key) || view.isConstant(value) { return nil }
    var recognition = Recognition(softmax: softmax, nodes: match.used, pattern: "")
    func rejected(_ reason: KeptReason, at stop: Node? = nil) -> Recognition {
      recognition.reason = reason
      recognition.stop = stop
      return recognition
    }
    let isQuantised = [match.tags["first product"], match.tags["second product"]].contains("MatMulInteger")
    guard var queryShape = view.shape(query), var keyShape = view.shape(key), let valueShape = view.shape(value) else {
      return rejected(.lengthsUnknown("how many axes its products have"))
    }
    guard var firstAxes = ProductAxes(first, left: queryShape.count, right: keyShape.count),
      let secondAxes = secondAxes(second, rank: firstAxes.result.count, valueRank: valueShape.count)
    else { return rejected(.formNotUnderstood("a product of other axes"), at: first) }
    recognition.pattern = description(first: firstAxes)
    let turns = turnedScores
    for order in turns {
      guard let turned = firstAxes.transposingResult(order) else {
        return rejected(.formNotUnderstood("a softmax over another axis than the keys"), at: softmax)
      }
      firstAxes = turned
    }
    guard let axis = softmaxAxis(softmax, rank: firstAxes.result.count) else {
      return rejected(.formNotUnderstood("a softmax over another axis than the keys"), at: softmax)
    }
    if let misplaced = misplacedReduction(axis: axis, rank: firstAxes.result.count, second: secondAxes) {
      return rejected(.formNotUnderstood("a softmax written out with other axes than its own"), at: misplaced)
    }
    // k qᵀ with a softmax over its rows is q kᵀ with one over its columns.
    if firstAxes.left.contains(firstAxes.result[axis]), !firstAxes.right.contains(firstAxes.result[axis]) {
      (query, key, queryShape, keyShape, firstAxes) = (key, query, keyShape, queryShape, firstAxes.swapped)
      if view.isConstant(key) { return nil }
    }
    guard
      let axes = OperandAxes(
        first: firstAxes, second: secondAxes, softmaxAxis: axis, shapes: (queryShape, keyShape, valueShape))
    else { return rejected(.formNotUnderstood("a softmax over another axis than the keys"), at: softmax) }
    var resolver = OperandResolver(walker: LayoutWalker(view: view, throughQuantisation: isQuantised), axes: axes)
    let factors = factors(of: firstAxes)
    guard
      let resolved = resolver.resolve(
        query: query, key: key, value: value, output: output, queryAsItLies: !factors.isEmpty)
    else {
      return rejected(.formNotUnderstood("tensors that do not lie as the operator reads them"))
    }
    guard resolved.hasOneType else { return rejected(.typeNotSupported("different types in its two products")) }
    guard let heads = resolved.heads?.value, let keyHeads = resolved.keyHeads?.value,
      let headSize = resolved.headSize?.value
    else { return rejected(.lengthsUnknown("the number and size of its heads")) }
    if resolved.scale != 1 { recognition.pattern += ", scale before the product" }
    var attention = Attention(
      query: resolved.query, key: resolved.key, value: resolved.value, output: resolved.output,
      scale: resolved.scale * firstAxes.alpha, masks: [], isCausal: false, heads: Int(heads), keyHeads: Int(keyHeads),
      headSize: Int(headSize), batch: resolved.batch, queryLength: resolved.queryLength, keyLength: resolved.keyLength)
    attention.elementType = view.elementType(resolved.query.value) ?? view.elementType(output)
    attention.query.factors = factors
    var masks = MaskReader(view: view, attention: attention)
    masks.isInOrder = axes.scoresAreInOrder
    attention.maskScale = maskScale()
    var unscaled = 1 / attention.maskScale
    // From the softmax inwards: a factor outside a mask counts for the mask too.
    for step in match.steps["scores"] ?? [] {
      switch step.tag {
      case "scale by Mul", "scale by Div":
        let number = step.numbers["factor"] ?? 1
        let factor = step.tag == "scale by Mul" ? number : 1 / number
        attention.scale *= factor
        unscaled *= factor
      case "mask by Add":
        if let mask = step.values["mask"] { masks.add(mask, factor: unscaled, over: scoresAxes(step, firstAxes)) }
      case "mask by Where", "mask by Where, hiding":
        if let mask = step.values["mask"], let fill = step.numbers["fill"] {
          masks.add(
            boolean: mask, hides: step.tag != "mask by Where", fill: fill * unscaled, over: scoresAxes(step, firstAxes))
        }
      case "mask by Sub":
        // A row's maximum changes none of its weights.
        if let mask = step.values["mask"], view.producer(mask)?.opType != "ReduceMax" {
          masks.add(mask, factor: -unscaled, over: scoresAxes(step, firstAxes))
        }
      default: continue
      }
    }
    attention.masks = masks.masks
    let (guardNodes, guardsAreRead) = readGuards(&attention)
    attention.isCausal = masks.isCausal
    recognition.attention = attention
    let sources = [resolved.query, resolved.key, resolved.value]
    if isQuantised { return rejected(.quantised) }
    if let dequantised = sources.lazy.compactMap({ view.producer($0.value) }).first(where: {
      $0.opType == "DequantizeLinear"
    }) {
      return rejected(.quantisedOperands, at: dequantised)
    }
    if masks.isCausal { return rejected(.causal, at: maskStep?.node) }
    guard let repeated = resolver.repeatedOverBatch, queriesCanBeRead(attention.query) else {
      return rejected(.formNotUnderstood("keys shared by a part of the batch"))
    }
    attention.query.isRepeatedOverBatch = repeated.query
    attention.key.isRepeatedOverBatch = repeated.key
    attention.value.isRepeatedOverBatch = repeated.value
    if repeated.query { attention.batch = repeated.batch }
    recognition.attention = attention
    guard secondAxes.alpha == 1 else {
      return rejected(.formNotUnderstood("a factor in its second product"), at: second)
    }
    let steps = (match.steps["scores"] ?? []) + (match.steps["probabilities"] ?? [])
    for step in steps {
      if let reason = refusal(of: step) { return rejected(reason, at: step.node) }
    }
    if let reason = refusalOfFactors(firstAxes, factors) {
      return rejected(reason, at: steps.first { $0.tag.hasPrefix("factor") }?.node)
    }
    guard turns.isEmpty || !steps.contains(where: { $0.values["mask"] != nil || $0.tag == "Reshape" }) else {
      return rejected(.formNotUnderstood("transposed scores with a mask"), at: maskStep?.node)
    }
    guard reshapesAgree(first, softmax, second, attention) else {
      return rejected(.formNotUnderstood("reshaped scores"), at: steps.first { $0.tag == "Reshape" }?.node)
    }
    guard guardsAreRead else {
      let step = match.steps["probabilities"]?.first { $0.nodes["guard"] != nil }
      return rejected(.formNotUnderstood("weights that are replaced after the softmax"), at: step?.node)
    }
    guard rowsWithoutKeysAgree(attention) else {
      return rejected(.formNotUnderstood("a mask of finite numbers and a softmax without its maximum"), at: maskStep?.node)
    }
    if let refusal = masks.refusal { return rejected(.maskNotSupported(refusal), at: maskStep?.node) }
    // The scores, and all between them and the second product, must not be read by others, if not by other sites.
    for (node, value, user) in otherUsers(of: match.used + guardNodes, except: output) {
      guard let user, isBeforeSoftmax(node, softmax) else {
        return rejected(
          .probabilitiesUsedElsewhere(user.map { "\($0.opType) \($0.label)" } ?? "the graph's output \(value)"),
          at: node)
      }
      recognition.sharing.append(.init(node: node, user: user))
    }
    return recognition
  }

  /// Reads what replaces weights: what rows without any key give, and which masked weights are zero.
  ///
  /// - Returns: the nodes that ask, and false where one is not understood.
  private func readGuards(_ attention: inout Attention) -> (asking: [Node], areRead: Bool) {
    let steps = match.steps["probabilities"] ?? []
    var weights = WeightGuard(
      view, weights: Set((steps.compactMap(\.node) + [match.nodes["softmax"]].compactMap { $0 }).flatMap(\.outputs)))
    for step in steps {
      guard let guarding = step.nodes["guard"], let condition = guarding.inputs.first else { continue }
      switch weights.meaning(
        of: condition, number: step.numbers["fill"] ?? 0, chosenIfTrue: step.tag != "weights kept")
      {
      case .nothing: continue
      case .zeroEmptyRows: attention.hasZeroEmptyRows = true
      case .zeroWhere(let root, let isTrue):
        // The weights of the same keys that the only mask hides: nothing is left of those.
        guard attention.masks.count == 1, case .hiding(let hidden, let effect) = attention.masks[0],
          effect.number <= MaskPlan.hidden
        else { return (weights.nodes, false) }
        let own = WeightGuard.root(of: hidden.value, view)
        guard own.value == root, (hidden.hides != own.isInverted) == isTrue else { return (weights.nodes, false) }
        attention.masks = [.hiding(hidden, .replaced(-.infinity))]
        attention.hasZeroEmptyRows = true
      case .notUnderstood: return (weights.nodes, false)
      }
    }
    return (weights.nodes, true)
  }

  /// The factor that scores get after all of their masks: the operator repeats how the sums were rounded before.
  private func maskScale() -> Double {
    var (factor, factors) = (1.0, Set<Double>())
    for step in match.steps["scores"] ?? [] {
      switch step.tag {
      case "scale by Mul": factor *= step.numbers["factor"] ?? 1
      case "scale by Div": factor /= step.numbers["factor"] ?? 1
      default: if step.values["mask"] != nil { factors.insert(factor) }
      }
    }
    guard factors.count == 1, let common = factors.first, common > 0, common < 1 else { return 1 }
    return common
  }

  /// The second product's axes in the order in which the scores lie.
  private func secondAxes(_ node: Node, rank: Int, valueRank: Int) -> ProductAxes? {
    let isSecond = match.tags["second product"]?.hasSuffix("weights second") ?? false
    guard var axes = ProductAxes(node, left: isSecond ? valueRank : rank, right: isSecond ? rank : valueRank)
    else { return nil }
    if isSecond { axes = axes.swapped }
    for step in match.steps["probabilities"] ?? [] {
      guard let turned = step.nodes["turned"] else { continue }
      let order = turned.ints("perm").map { $0.map { Int(clamping: $0) } } ?? Array((0..<rank).reversed())
      guard let before = axes.beforeTransposing(left: order) else { return nil }
      axes = before
    }
    return axes
  }

  private func refusal(of step: Match.Step) -> KeptReason? {
    // One more column is a sink; more are the scores of other keys.
    if let sink = step.values["sink"], view.shape(sink)?.last != 1 {
      return .formNotUnderstood("scores joined with others")
    }
    return DecomposedPattern.refusal(of: step.tag)
  }

  /// How the scores lie where a mask meets them.
  private func scoresAxes(_ step: Match.Step, _ product: ProductAxes) -> ScoresAxes {
    step.nodes["masked"]?.outputs.first.flatMap { view.shape($0) }.map { ScoresAxes($0) }
      ?? ScoresAxes(rank: product.result.count, batch: [])
  }

  /// Scores that are reshaped for a mask have to keep queries and keys, and heads where these are apart from the batch;
  /// the weights have to lie as the first product wrote the scores when the second one reads them.
  private func reshapesAgree(_ first: Node, _ softmax: Node, _ second: Node, _ attention: Attention) -> Bool {
    let steps = match.steps["scores"] ?? []
    let after = match.steps["probabilities"] ?? []
    guard (steps + after).contains(where: { $0.tag == "Reshape" }) else { return true }
    let isSecond = match.tags["second product"]?.hasSuffix("weights second") ?? false
    guard let scores = first.outputs.first.flatMap({ view.shape($0) }), scores.count > 2, !scores.contains(nil),
      softmax.opType == "Softmax", softmax.inputs.first.flatMap({ view.shape($0) })?.suffix(2) == scores.suffix(2),
      !after.contains(where: { $0.nodes["turned"] != nil }), second.inputs.count > 1,
      view.shape(second.inputs[isSecond ? 1 : 0]) == scores
    else { return false }
    return steps.allSatisfy { step in
      guard let masked = step.nodes["masked"] else { return true }
      guard let shape = masked.outputs.first.flatMap({ view.shape($0) }), shape.count > 2,
        shape.suffix(2) == scores.suffix(2)
      else { return false }
      return shape.count == 3 || shape[shape.count - 3] == Dimension(attention.heads)
    }
  }

  /// How the scores are transposed between the first product and the softmax, innermost first.
  private var turnedScores: [[Int]] {
    (match.steps["scores"] ?? []).reversed().compactMap { step in
      step.nodes["turned"].map { $0.ints("perm")?.map { Int(clamping: $0) } ?? [] }
    }
  }

  // MARK: Factors that a run or a head has

  /// What the scores are multiplied with that is no number, as factors of the queries.
  private func factors(of product: ProductAxes) -> [Attention.Operand.Factor] {
    (match.steps["scores"] ?? []).reversed().compactMap { step in
      guard step.tag.hasPrefix("factor"), let value = step.values["by"] else { return nil }
      return .init(value: value, divides: step.tag == "factor by Div")
    }
  }

  /// A factor that is the same for all keys of a query may be the query's: q kᵀ · f = (q · f) kᵀ.
  private func refusalOfFactors(_ product: ProductAxes, _ factors: [Attention.Operand.Factor]) -> KeptReason? {
    guard !factors.isEmpty else { return nil }
    let steps = match.steps["scores"] ?? []
    let isAligned =
      product.left.count == product.result.count && product.left.dropLast() == product.result.dropLast()
    let fits = factors.allSatisfy { factor in
      guard let shape = view.shape(factor.value) else { return false }
      if shape.allSatisfy({ $0?.value == 1 }) { return shape.count <= product.left.count }
      return isAligned && shape.count <= product.result.count && shape.last??.value == 1
    }
    let divides = factors.contains(where: \.divides)
    guard fits else {
      return .formNotUnderstood("scores \(divides ? "divided by" : "times") something that differs from key to key")
    }
    // Outermost first: what stands inside a factor would be multiplied too.
    let position = steps.firstIndex { $0.tag.hasPrefix("factor") } ?? 0
    guard
      !steps[position...].contains(where: { $0.values["mask"] != nil || $0.tag == "Reshape" || $0.tag == "Transpose" })
    else { return .formNotUnderstood("a mask that is multiplied with the scores") }
    return nil
  }

  /// Factors are multiplied where the queries lie as the product reads them.
  private func queriesCanBeRead(_ query: Attention.Operand) -> Bool {
    query.factors.isEmpty || query.transposition == nil && query.batchAxes <= 1
  }

  private var maskStep: Match.Step? { match.steps["scores"]?.first { $0.values["mask"] != nil } }

  /// Nodes between the two products whose values others read, and who that is; nil: it leaves the graph.
  private func otherUsers(of nodes: [Node], except output: String) -> [(node: Node, value: String, user: Node?)] {
    let own = Set(nodes.map(\.index))
    var found: [(Node, String, Node?)] = []
    for node in nodes {
      for value in node.outputs where !value.isEmpty && value != output {
        if view.index.isOutput(value) { found.append((node, value, nil)) }
        for use in view.index.uses(of: value) where !own.contains(use.node) {
          let user = view.graph.nodes[use.node]
          // The guard's own question, and written-out softmaxes' sums.
          if ["IsNaN", "ReduceMax", "ReduceSum", "ReduceLogSumExp"].contains(user.opType),
            user.outputs.allSatisfy({ out in view.index.uses(of: out).allSatisfy { own.contains($0.node) } })
          {
            continue
          }
          found.append((node, value, user))
        }
      }
    }
    return found
  }

  /// True for what makes a softmax's scores; of a softmax that is written out nothing is.
  private func isBeforeSoftmax(_ node: Node, _ softmax: Node) -> Bool {
    guard ["Softmax", "LogSoftmax"].contains(softmax.opType),
      let at = match.used.firstIndex(where: { $0.index == node.index }),
      let middle = match.used.firstIndex(where: { $0.index == softmax.index })
    else { return false }
    return at > middle
  }

  private func description(first: ProductAxes) -> String {
    var parts = [match.tags["first product"] ?? "", match.tags["softmax"] ?? "", match.tags["second product"] ?? ""]
    if first.alpha != 1 { parts.append("scale in the product") }
    for step in match.steps["scores"] ?? [] where step.tag != "Identity" { parts.append(step.tag) }
    for step in match.steps["probabilities"] ?? [] where step.tag != "Identity" { parts.append("\(step.tag) after") }
    return parts.joined(separator: ", ")
  }
}
