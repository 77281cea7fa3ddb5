/// Ranks by who reads a value: what follows an operator without a rule is transposed by so many axes, multiplied with a
/// weight, or read by an operator that takes three.
struct RankHints {
  /// Value → as much of its shape as its readers tell.
  private(set) var shapes: [String: [Dimension?]] = [:]

  /// - Parameter values: what a pass from the inputs found.
  init(_ index: GraphIndex, _ values: [String: InferredValue]) {
    let graph = index.graph
    func isUnknown(_ name: String) -> Bool { !name.isEmpty && values[name]?.shape == nil }
    guard graph.nodes.contains(where: { $0.outputs.contains(where: isUnknown) }) else { return }
    for position in (index.topologicalOrder() ?? []).reversed() {
      let node = graph.nodes[position]
      for (input, name) in node.inputs.enumerated() where isUnknown(name) && shapes[name] == nil {
        shapes[name] = hint(node, input, values)
      }
    }
  }

  /// Operators that leave the shape of their first input as it is.
  private static let sameShape: Set<String> = [
    "Cast", "Identity", "Dropout", "Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Sqrt", "Gelu", "Softmax", "Clip",
    "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "DequantizeLinear", "QuantizeLinear",
    "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
  ]

  private func hint(_ node: Node, _ input: Int, _ values: [String: InferredValue]) -> [Dimension?]? {
    func shape(_ name: String) -> [Dimension?]? { name.isEmpty ? nil : values[name]?.shape ?? shapes[name] }
    func shape(_ position: Int) -> [Dimension?]? {
      node.inputs.indices.contains(position) ? shape(node.inputs[position]) : nil
    }
    func ofRank(_ rank: Int, last: Dimension? = nil) -> [Dimension?]? {
      (1...Model.rankLimit).contains(rank) ? Array(repeating: nil, count: rank - 1) + [last] : nil
    }
    let output = node.outputs.first.flatMap { shape($0) }
    if Self.sameShape.contains(node.opType), input == 0 { return output }
    switch (node.domain, node.opType) {
    case ("", "Transpose"):
      return node.ints("perm").flatMap { ofRank($0.count) }
    case ("", "MatMul") where input == 0:
      // A product with a matrix keeps the rank.
      guard let weight = shape(1), weight.count == 2, let output else { return nil }
      return ofRank(output.count, last: weight[0])
    case ("", "Add"), ("", "Sub"), ("", "Mul"), ("", "Div"):
      guard let output, let other = shape(1 - input), other.count < output.count else { return nil }
      return ofRank(output.count)
    case ("", "Gemm") where input < 2: return ofRank(2)
    case ("", "Conv") where input == 0: return shape(1).flatMap { ofRank($0.count) }
    case ("", "Concat"),
      ("", "Split") where input == 0:
      return output.flatMap { ofRank($0.count) }
    case ("", "Attention") where input < 3: return ofRank(node.int("q_num_heads") == nil ? 4 : 3)
    case ("com.microsoft", "MultiHeadAttention") where input < 3:
      return node.inputs.count > 2 && !node.inputs[2].isEmpty ? ofRank(3) : nil
    case ("com.microsoft", "Attention") where input == 0: return ofRank(3, last: shape(1)?.first ?? nil)
    default: return nil
    }
  }
}
