extension ShapeRules {
  /// Attention as one node (opset 23).
  static let fused: [String: Rule] = [
    "Attention": { operation in
      guard let query = operation.shape(0) else { return [] }
      let value = operation.shape(2)
      let key = operation.shape(1)
      let type = operation.type(0)
      func present(_ now: [Dimension?]?, _ past: [Dimension?]?, heads: Int64?) -> [Dimension?]? {
        guard let now else { return nil }
        var four = now
        if now.count == 3 { four = [now[0], heads.map { Dimension($0) }, now[1], divided(now[2], heads)] }
        guard four.count == 4 else { return nil }
        if let past { four[2] = past.count == 4 ? sum(past[2], four[2]) : nil }
        return four
      }
      let keyValueHeads = operation.node.int("kv_num_heads")
      let presentKey = present(key, operation.shape(4), heads: keyValueHeads)
      let presentValue = present(value, operation.shape(5), heads: keyValueHeads)
      var output: [Dimension?]? = nil
      var scores: [Dimension?]? = nil
      let total = presentKey?[2] ?? nil
      if query.count == 4 {
        output = [query[0], query[1], query[2], presentValue?[3] ?? nil]
        scores = [query[0], query[1], query[2], total]
      } else if query.count == 3 {
        let heads = operation.node.int("q_num_heads")
        let size = presentValue?[3] ?? nil
        let width = heads.flatMap { heads in size.flatMap { known($0 * Dimension(heads)) } }
        output = [query[0], query[1], width]
        scores = [query[0], heads.map { Dimension($0) }, query[1], total]
      }
      return one(type, output) + one(type, presentKey) + one(type, presentValue) + one(type, scores)
    }
  ]

  private static func divided(_ length: Dimension?, _ count: Int64?) -> Dimension? {
    guard let length, let count, count > 0 else { return nil }
    return length.exactlyDivided(by: Dimension(count))
  }

  private static func sum(_ a: Dimension?, _ b: Dimension?) -> Dimension? {
    guard let a, let b else { return nil }
    return known(a + b)
  }

  /// com.microsoft: what its optimizers write.
  static let microsoft: [String: Rule] = {
    var table: [String: Rule] = [:]
    for name in [
      "BiasGelu", "FastGelu", "Gelu", "QuickGelu", "BiasAdd", "GroupNorm", "RotaryEmbedding", "BiasSoftmax",
      "BiasDropout", "SimplifiedLayerNormalization",
    ] {
      table[name] = { one($0.type(0), $0.shape(0)) }
    }
    for name in ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"] {
      table[name] = { operation in
        let same = InferredValue(elementType: operation.type(0), shape: operation.shape(0))
        return [same, .unknown, .unknown, same]
      }
    }
    table["SkipGroupNorm"] = { operation in
      let same = InferredValue(elementType: operation.type(0), shape: operation.shape(0))
      return [same, same]
    }
    table["BiasSplitGelu"] = { operation in
      guard var shape = operation.shape(0), let last = shape.popLast() else { return one(operation.type(0), nil) }
      return one(operation.type(0), shape + [divided(last, 2)])
    }
    for name in ["FusedMatMul", "TransposeMatMul"] {
      table[name] = { operation in
        func turned(_ shape: [Dimension?]?, _ name: String) -> [Dimension?]? {
          guard var shape, shape.count > 1, operation.node.int(name) == 1 else { return shape }
          shape.swapAt(shape.count - 1, shape.count - 2)
          return shape
        }
        guard operation.node.int("transBatchA") ?? 0 == 0, operation.node.int("transBatchB") ?? 0 == 0 else {
          return one(operation.type(0), nil)
        }
        return one(
          operation.type(0), matmul(turned(operation.shape(0), "transA"), turned(operation.shape(1), "transB")))
      }
    }
    table["FusedGemm"] = linear["Gemm"]
    table["FusedConv"] = windows["Conv"]
    table["MatMulIntegerToFloat"] = {
      one(ElementType.float32.rawValue, matmul($0.shape(0), $0.shape(1)))
    }
    table["MultiHeadAttention"] = { one($0.type(0), multiHead($0)) }
    table["Attention"] = { operation in
      guard let input = operation.shape(0), input.count == 3 else { return one(operation.type(0), nil) }
      let sizes = operation.node.ints("qkv_hidden_sizes")
      let packed = operation.shape(1)?.last ?? nil
      let width = sizes?.count == 3 ? sizes.map { Dimension($0[2]) } : divided(packed, 3)
      return one(operation.type(0), [input[0], input[1], width])
    }
    table["GroupQueryAttention"] = { operation in
      guard let query = operation.shape(0), query.count == 3 else { return one(operation.type(0), nil) }
      if operation.has(1) { return one(operation.type(0), query) }
      // Query, keys and values packed into one.
      guard let heads = operation.node.int("num_heads"), let pairs = operation.node.int("kv_num_heads"), heads > 0,
        pairs > 0, heads < 1 << 20, pairs < 1 << 20, let size = divided(query[2], heads + 2 * pairs)
      else { return one(operation.type(0), [query[0], query[1], nil]) }
      return one(operation.type(0), [query[0], query[1], known(size * Dimension(heads))])
    }
    return table
  }()

  private static func multiHead(_ operation: Operation) -> [Dimension?]? {
    guard let query = operation.shape(0) else { return nil }
    if query.count == 5 {
      // [B, S, H, 3, D]
      return [query[0], query[1], [query[2], query[4]].product]
    }
    guard query.count == 3 else { return nil }
    if let value = operation.shape(2) {
      if value.count == 3 { return [query[0], query[1], value[2]] }
      if value.count == 4 { return [query[0], query[1], [value[1], value[3]].product] }
    }
    return [query[0], query[1], query[2]]
  }

  /// Our own.
  static let isa: [String: Rule] = [
    "InContextSparseAttention": { operation in
      let node = operation.node
      guard let query = operation.shape(0), let value = operation.shape(2), let heads = node.int("num_heads") else {
        return one(operation.type(0), nil)
      }
      let layout = node.string("layout") ?? ""
      let valueLayout = node.string("value_layout") ?? layout
      let outputLayout = node.string("output_layout") ?? layout
      let pairs = node.int("kv_num_heads") ?? heads
      guard query.count == (layout == "BSE" ? 3 : 4), value.count == (valueLayout == "BSE" ? 3 : 4) else {
        return one(operation.type(0), nil)
      }
      let batch = query[0]
      let length = layout == "BHSD" ? query[2] : query[1]
      let size = valueLayout == "BSE" ? divided(value[2], pairs) : value[3]
      let count = Dimension(heads)
      let statistics = InferredValue(elementType: ElementType.float32.rawValue, shape: [batch, count, 4])
      let output: [Dimension?] =
        switch outputLayout {
        case "BHSD": [batch, count, length, size]
        case "BSHD": [batch, length, count, size]
        default: [batch, length, size.flatMap { known($0 * count) }]
        }
      return one(operation.type(0), output) + [statistics]
    }
  ]
}
