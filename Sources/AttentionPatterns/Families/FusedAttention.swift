import GraphRewriting
import ONNXGraph

/// Attention in one node: ai.onnx's `Attention` of opset 23, and what ONNX Runtime's optimizers fuse to.
///
/// One row an operator: which inputs and attributes mean what.
struct FusedAttention {
  let view: GraphView
  let node: Node

  func recognised() -> Recognition? {
    switch Pattern.Operator(of: node) {
    case .init("Attention"): standard()
    case .init("MultiHeadAttention", domain: "com.microsoft"): multiHead()
    case .init("Attention", domain: "com.microsoft"): projecting()
    case .init("GroupQueryAttention", domain: "com.microsoft"): grouped()
    case .init("QAttention", domain: "com.microsoft"), .init("QOrderedAttention", domain: "com.microsoft"):
      rejected(other, .quantised)
    case .init("QLinearSoftmax", domain: "com.microsoft") where weighsValues: rejected(other, .quantised)
    case let operation where operation.domain == "com.microsoft" && Self.others.contains(operation.type):
      rejected(other, .formNotUnderstood("ONNX Runtime's \(operation.type)"))
    default: nil
    }
  }

  /// Softmax attention that ONNX Runtime has operators for and that is not read.
  private static let others: Set<String> = [
    "DecoderAttention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention", "DynamicSparseAttention",
    "LongformerAttention", "PackedAttention", "PackedMultiHeadAttention", "PagedAttention", "SparseAttention",
    "SparsePagedAttention",
  ]

  /// True where a quantised product with no weight reads the node's output.
  private var weighsValues: Bool {
    guard let weights = node.outputs.first else { return false }
    return view.index.consumers(of: weights).contains { product in
      product.opType == "QLinearMatMul" && product.inputs.count > 3 && product.inputs[0] == weights
        && !view.isConstant(product.inputs[3])
    }
  }

  private var other: Recognition { Recognition(softmax: node, nodes: [node], pattern: "com.microsoft.\(node.opType)") }

  // MARK: ai.onnx

  /// `Attention(q, k, v, mask?, past_key?, past_value?, …)`.
  private func standard() -> Recognition? {
    // Functions of that name are looked into instead.
    guard view.opsets[""].map({ $0 >= 23 }) ?? false else { return nil }
    var found = Recognition(softmax: node, nodes: [node], pattern: "Attention")
    let heads = node.int("q_num_heads").map { Int(clamping: $0) }
    let keyHeads = node.int("kv_num_heads").map { Int(clamping: $0) }
    guard
      var attention = attention(
        input(0), input(1), input(2), heads: heads, keyHeads: keyHeads, scale: node.float("scale"))
    else {
      let shapes = (0..<3).compactMap { view.shape(input($0)) }
      let isOfARun =
        shapes.count == 3 && shapes.contains { $0.count == 4 && ($0[1]?.value == nil || $0[3]?.value == nil) }
      return rejected(found, isOfARun ? .headsUnknown : .lengthsUnknown("the shapes of its query, key and value"))
    }
    var masks = MaskReader(view: view, attention: attention)
    if !input(3).isEmpty {
      if let columns = view.shape(input(3))?.last??.value, let keys = attention.keyLength?.value, columns > 1,
        columns < keys
      {
        found.attention = attention
        return rejected(found, .maskTooShort(columns: Int(clamping: columns), keys: Int(clamping: keys)))
      }
      if view.elementType(input(3)) == .bool {
        masks.add(boolean: input(3), hides: false, fill: -.infinity)
      } else {
        masks.add(input(3), factor: 1, lowestHides: true)
      }
    }
    attention.masks = masks.masks
    attention.hasZeroEmptyRows = true
    attention.isCausal = masks.isCausal || node.int("is_causal") ?? 0 != 0
    found.attention = attention
    if attention.isCausal { return rejected(found, .causal) }
    if let refusal = masks.refusal { return rejected(found, .maskNotSupported(refusal)) }
    if node.float("softcap") ?? 0 != 0 { return rejected(found, .softCap) }
    if !input(6).isEmpty { return rejected(found, .keyCounts) }
    if (4...5).contains(where: { !input($0).isEmpty }) || output(1) || output(2) {
      return rejected(found, .formNotUnderstood("keys of earlier runs"))
    }
    if output(3) { return rejected(found, .probabilitiesUsedElsewhere("the node's output \(node.outputs[3])")) }
    return found
  }

  // MARK: com.microsoft

  /// `MultiHeadAttention(query, key, value, bias?, key_padding_mask?, attention_bias?, past…)`.
  private func multiHead() -> Recognition? {
    var found = Recognition(softmax: node, nodes: [node], pattern: "com.microsoft.MultiHeadAttention")
    let heads = node.int("num_heads").map { Int(clamping: $0) }
    if input(2).isEmpty { return packed(found, heads) }
    guard
      var attention = attention(
        input(0), input(1), input(2), heads: heads, keyHeads: heads,
        scale: node.float("scale").flatMap { $0 == 0 ? nil : $0 })
    else { return rejected(found, .lengthsUnknown("the shapes of its query, key and value")) }
    if !input(3).isEmpty, !add(bias: input(3), to: &attention, heads: heads ?? 1) {
      return rejected(found, .lengthsUnknown("the sizes of its bias"))
    }
    finish(&found, attention, keyMask: input(4), bias: input(5))
    if node.inputs.dropFirst(6).contains(where: { !$0.isEmpty }) || output(1) || output(2) {
      return rejected(found, found.reason ?? .formNotUnderstood("keys of earlier runs"))
    }
    return found
  }

  /// `Attention(input, weights, bias?, mask_index?, past?, attention_bias?)` of com.microsoft: with the projections inside.
  private func projecting() -> Recognition? {
    var found = Recognition(softmax: node, nodes: [node], pattern: "com.microsoft.Attention")
    guard let heads = node.int("num_heads"), heads > 0, let shape = view.shape(input(0)), shape.count == 3,
      let width = view.shape(input(1))?.last??.value
    else { return rejected(found, .lengthsUnknown("the shapes of its input and weights")) }
    let sizes = node.ints("qkv_hidden_sizes") ?? Array(repeating: width / 3, count: 3)
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 % heads == 0 }), sizes.reduce(0, +) == width,
      sizes[0] == sizes[1], let output = node.outputs.first
    else { return rejected(found, .formNotUnderstood("projections of other sizes")) }
    let size = sizes[0] / heads
    var prelude = [NewNode("MatMul", name: "", inputs: [input(0), input(1)], outputs: ["%products"])]
    var packed = "%products"
    if !input(2).isEmpty {
      prelude.append(NewNode("Add", name: "", inputs: [packed, input(2)], outputs: ["%projections"]))
      packed = "%projections"
    }
    var start: Int64 = 0
    for (name, size) in zip(["%query", "%key", "%value"], sizes) {
      prelude += slice(packed, axis: 2, start, start + size, output: name)
      start += size
    }
    func operand(_ name: String) -> Attention.Operand { Attention.Operand(value: name, layout: .bse) }
    let given = node.float("scale").flatMap { $0 == 0 ? nil : $0 }
    var attention = Attention(
      query: operand("%query"), key: operand("%key"), value: operand("%value"), output: operand(output),
      scale: given.map(Double.init) ?? 1 / Double(size).squareRoot(), masks: [], isCausal: false, heads: Int(heads),
      keyHeads: Int(heads), headSize: Int(size), batch: shape[0], queryLength: shape[1], keyLength: shape[1])
    attention.prelude = prelude
    attention.sequenceSource = input(0)
    attention.elementType = view.elementType(input(0))
    finish(&found, attention, keyMask: input(3), bias: input(5))
    if !input(4).isEmpty || self.output(1) || node.int("do_rotary") ?? 0 != 0 {
      return rejected(found, found.reason ?? .formNotUnderstood("keys of earlier runs, or rotation inside"))
    }
    return found
  }

  /// `GroupQueryAttention`: always causal.
  private func grouped() -> Recognition? {
    var found = Recognition(softmax: node, nodes: [node], pattern: "com.microsoft.GroupQueryAttention")
    found.attention = attention(
      input(0), input(1), input(2), heads: node.int("num_heads").map { Int(clamping: $0) },
      keyHeads: node.int("kv_num_heads").map { Int(clamping: $0) }, scale: node.float("scale"))
    found.attention?.isCausal = true
    return rejected(found, .causal)
  }

  /// `MultiHeadAttention` of [B, S, H, 3, D], or of [B, S, H·D] with keys and values as [B, L, H, 2, D].
  private func packed(_ found: Recognition, _ heads: Int?) -> Recognition {
    var found = found
    let isAll = input(1).isEmpty
    let source = isAll ? input(0) : input(1)
    guard let heads, let shape = view.shape(source), shape.count == 5, shape[3] == (isAll ? 3 : 2),
      shape[2] == Dimension(heads), let size = shape[4]?.value, let query = view.shape(input(0)),
      let output = node.outputs.first
    else { return rejected(found, .lengthsUnknown("the shapes of its query, key and value")) }
    func part(_ position: Int64, _ name: String) -> [NewNode] {
      [
        NewNode(
          "Constant", name: "", inputs: [], outputs: ["\(name).part"],
          attributes: ["value": .tensor(Tensor(name: "", dims: [], int64s: [position]))]),
        NewNode("Gather", name: "", inputs: [source, "\(name).part"], outputs: [name], attributes: ["axis": .int(3)]),
      ]
    }
    let own = node.float("scale").flatMap { $0 == 0 ? nil : Double($0) } ?? 1 / Double(size).squareRoot()
    var attention = Attention(
      query: .init(value: isAll ? "%query" : input(0), layout: isAll ? .bshd : .bse),
      key: .init(value: "%key", layout: .bshd), value: .init(value: "%value", layout: .bshd),
      output: .init(value: output, layout: .bse), scale: own, masks: [], isCausal: false, heads: heads,
      keyHeads: heads, headSize: Int(size), batch: query[0], queryLength: query[1], keyLength: shape[1])
    attention.prelude =
      (isAll ? part(0, "%query") : []) + part(isAll ? 1 : 0, "%key") + part(isAll ? 2 : 1, "%value")
    attention.sequenceSource = input(0)
    attention.keySource = source
    attention.elementType = view.elementType(source)
    finish(&found, attention, keyMask: input(4), bias: input(5))
    if !input(3).isEmpty || node.inputs.dropFirst(6).contains(where: { !$0.isEmpty }) || self.output(1)
      || self.output(2)
    {
      return rejected(found, found.reason ?? .formNotUnderstood("a bias or keys of earlier runs beside packed ones"))
    }
    return found
  }

  // MARK: Parts

  private func finish(_ found: inout Recognition, _ attention: Attention, keyMask: String, bias: String) {
    var attention = attention
    var masks = MaskReader(view: view, attention: attention)
    if !bias.isEmpty { masks.add(bias, factor: 1) }
    attention.masks = masks.masks
    attention.isCausal = masks.isCausal || node.int("unidirectional") ?? 0 != 0
    if attention.isCausal { found.reason = .causal }
    if let refusal = masks.refusal { found.reason = found.reason ?? .maskNotSupported(refusal) }
    if !keyMask.isEmpty {
      switch keyCondition(keyMask, attention) {
      case .success(let condition):
        // It is added to the scores after the bias is.
        attention.masks.insert(.hiding(condition, .added(node.float("mask_filter_value") ?? -10000)), at: 0)
      case .failure(let refusal): found.reason = found.reason ?? .maskNotSupported(refusal.clause)
      }
    }
    found.attention = attention
  }

  private struct MaskRefusal: Error {
    let clause: String
  }

  /// The integers that the operators of com.microsoft take: keys [B, Sk], queries and keys [B, Sq, Sk], the keys' number
  /// [B], or their ends and starts [2·B].
  private func keyCondition(_ mask: String, _ attention: Attention) -> Result<Attention.Condition, MaskRefusal> {
    func condition(_ form: Attention.Condition.Form) -> Result<Attention.Condition, MaskRefusal> {
      .success(.init(value: mask, hides: false, form: form))
    }
    guard let shape = view.shape(mask) else { return .failure(.init(clause: "its shape is not known")) }
    switch shape.count {
    case 2 where shape[1] == attention.keyLength && shape[1] != nil: return condition(.positiveKeys)
    case 3 where shape[1] == attention.queryLength && shape[2] == attention.keyLength && shape[2] != nil:
      return condition(.positiveRows)
    case 1:
      guard let batch = attention.batch, let length = shape[0], length == batch || length == batch * Dimension(2),
        let keys = keyAxis(attention), (view.opsets[""] ?? 0) >= 11
      else { return .failure(.init(clause: "it gives lengths, or places of packed tokens, in a form that is not read")) }
      return condition(.lengths(source: keys.value, axis: keys.axis, starts: length != batch))
    default: return .failure(.init(clause: "its axes are not the operator's"))
    }
  }

  /// A value of the graph with the keys as an axis.
  private func keyAxis(_ attention: Attention) -> (value: String, axis: Int)? {
    let value = attention.keySource ?? attention.sequenceSource ?? input(1)
    guard let shape = view.shape(value), let length = attention.keyLength else { return nil }
    let axis = [1, 2].first { shape.indices.contains($0) && shape[$0] == length }
    return axis.map { (value, $0) }
  }

  private func attention(
    _ query: String, _ key: String, _ value: String, heads: Int?, keyHeads: Int?, scale: Float?
  ) -> Attention? {
    guard let q = view.shape(query), let k = view.shape(key), let v = view.shape(value),
      let output = node.outputs.first,
      let axes = OperandAxes(
        fused: (q, k, v), outputRank: Pattern.Operator(of: node) == .init("Attention") ? q.count : 3, heads: heads,
        keyHeads: keyHeads)
    else { return nil }
    var resolver = OperandResolver(walker: LayoutWalker(view: view), axes: axes)
    guard let resolved = resolver.resolve(query: query, key: key, value: value, output: output), resolver.hasOneBatch,
      let heads = resolved.heads?.value, let keyHeads = resolved.keyHeads?.value, let size = resolved.headSize?.value
    else { return nil }
    let own = scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    var attention = Attention(
      query: resolved.query, key: resolved.key, value: resolved.value, output: resolved.output,
      scale: own * resolved.scale, masks: [], isCausal: false, heads: Int(heads), keyHeads: Int(keyHeads),
      headSize: Int(size), batch: resolved.batch, queryLength: resolved.queryLength, keyLength: resolved.keyLength)
    attention.elementType = view.elementType(resolved.query.value)
    return attention
  }

  /// Adds the pieces of a bias [3·H·D] to query, key and value, which have to be [B, S, H·D].
  private func add(bias: String, to attention: inout Attention, heads: Int) -> Bool {
    guard let width = view.shape(bias)?.first??.value, let value = view.shape(input(2))?.last??.value else {
      return false
    }
    let size = (width - value) / 2
    let operands = [input(0), input(1), input(2)]
    guard size * 2 + value == width, operands.allSatisfy({ view.shape($0)?.count == 3 }) else { return false }
    var start: Int64 = 0
    for (name, (operand, size)) in zip(["query", "key", "value"], zip(operands, [size, size, value])) {
      attention.prelude += slice(bias, axis: 0, start, start + size, output: "%\(name).bias")
      attention.prelude.append(
        NewNode("Add", name: "", inputs: [operand, "%\(name).bias"], outputs: ["%\(name)"]))
      start += size
    }
    attention.sequenceSource = operands[0]
    attention.keySource = operands[1]
    attention.query = Attention.Operand(value: "%query", layout: .bse)
    attention.key = Attention.Operand(value: "%key", layout: .bse)
    attention.value = Attention.Operand(value: "%value", layout: .bse)
    return true
  }

  private func slice(_ value: String, axis: Int64, _ start: Int64, _ end: Int64, output: String) -> [NewNode] {
    if (view.opsets[""] ?? 10) < 10 {
      return [
        NewNode(
          "Slice", name: "", inputs: [value], outputs: [output],
          attributes: ["axes": .ints([axis]), "starts": .ints([start]), "ends": .ints([end])])
      ]
    }
    let bounds = [("starts", start), ("ends", end), ("axes", axis)]
    return bounds.map { name, number in
      NewNode(
        "Constant", name: "", inputs: [], outputs: ["\(output).\(name)"],
        attributes: ["value": .tensor(Tensor(name: "", int64s: [number]))])
    } + [
      NewNode("Slice", name: "", inputs: [value] + bounds.map { "\(output).\($0.0)" }, outputs: [output])
    ]
  }

  private func rejected(_ found: Recognition, _ reason: KeptReason) -> Recognition {
    var found = found
    found.reason = reason
    return found
  }

  private func input(_ position: Int) -> String { position < node.inputs.count ? node.inputs[position] : "" }

  /// True where an output is read or leaves the graph.
  private func output(_ position: Int) -> Bool {
    guard position < node.outputs.count, !node.outputs[position].isEmpty else { return false }
    let value = node.outputs[position]
    return view.index.isOutput(value) || !view.index.uses(of: value).isEmpty
  }
}
