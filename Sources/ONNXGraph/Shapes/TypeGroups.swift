/// Element types by neighbourhood: values that their operators require to be of one type are a group, and what is known
/// of one is known of all.
///
/// Operators without a rule, of other domains say, leave what follows them without a type; the weights that it is
/// multiplied with, a declared output or a cast further on tell it.
struct TypeGroups {
  /// Inputs and outputs of one type; nil: all.
  struct Shared: Sendable {
    var inputs: Set<Int>?
    var outputs: Set<Int>? = [0]
  }

  private static let all = Shared(inputs: nil)
  private static let first = Shared(inputs: [0])

  private static let standard: [String: Shared] = {
    var table: [String: Shared] = [:]
    for name in [
      "Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Sum", "Mean", "MatMul", "Gemm", "Einsum", "Concat", "PRelu",
      "Conv",
      "ConvTranspose", "LayerNormalization", "GroupNormalization", "InstanceNormalization", "Clip",
    ] {
      table[name] = all
    }
    for name in [
      "Abs", "Acos", "Asin", "Atan", "Ceil", "Celu", "Cos", "Cosh", "CumSum", "Dropout", "Elu", "Erf", "Exp", "Expand",
      "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "HardSigmoid", "HardSwish", "Identity",
      "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "Mish", "Neg",
      "Pow", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
      "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "RotaryEmbedding",
      "Round",
      "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Slice", "Softmax", "Softplus", "Softsign", "Sqrt", "Squeeze", "Swish",
      "Tan", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Unsqueeze", "DepthToSpace", "SpaceToDepth",
    ] {
      table[name] = first
    }
    table["Split"] = Shared(inputs: [0], outputs: nil)
    // Their results are of the scale's type.
    for name in ["RMSNormalization", "SimplifiedLayerNormalization"] { table[name] = Shared(inputs: [1]) }
    table["Where"] = Shared(inputs: [1, 2])
    table["Pad"] = Shared(inputs: [0, 2])
    table["ScatterND"] = Shared(inputs: [0, 2])
    table["ScatterElements"] = Shared(inputs: [0, 2])
    table["Attention"] = Shared(inputs: [0, 1, 2])
    for name in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"] {
      table[name] = Shared(inputs: nil, outputs: [])
    }
    return table
  }()

  private static let microsoft: [String: Shared] = [
    "FusedMatMul": all, "FusedGemm": all, "FusedConv": all, "BiasGelu": all, "FastGelu": all, "BiasAdd": all,
    "Gelu": first,
    "QuickGelu": first, "BiasSplitGelu": all, "BiasSoftmax": all, "GroupNorm": first,
    "SkipLayerNormalization": Shared(inputs: nil, outputs: [0, 3]),
    "SkipSimplifiedLayerNormalization": Shared(inputs: nil, outputs: [0, 3]),
    "SkipGroupNorm": Shared(inputs: [0], outputs: [0, 1]), "MultiHeadAttention": Shared(inputs: [0, 1, 2, 3, 5]),
    "Attention": Shared(inputs: [0, 1, 2]), "GroupQueryAttention": Shared(inputs: [0, 1, 2]),
    "RotaryEmbedding": first,
  ]

  private static func shared(_ node: Node) -> Shared? {
    switch node.domain {
    case "": standard[node.opType]
    case "com.microsoft": microsoft[node.opType]
    default: nil
    }
  }

  /// Fills in element types that no rule told.
  static func complete(_ values: inout [String: InferredValue], in graph: Graph) {
    func isUnknown(_ name: String) -> Bool { !name.isEmpty && values[name]?.elementType ?? 0 == 0 }
    guard graph.nodes.contains(where: { $0.outputs.contains(where: isUnknown) }) else { return }
    var groups = TypeGroups()
    for node in graph.nodes {
      guard let shared = shared(node) else { continue }
      let inputs = node.inputs.enumerated().filter { shared.inputs?.contains($0.offset) ?? true }
      let outputs = node.outputs.enumerated().filter { shared.outputs?.contains($0.offset) ?? true }
      groups.join((inputs + outputs).map(\.element).filter { !$0.isEmpty })
    }
    var types: [Int: Int32] = [:]
    let members = groups.members
    for (name, member) in members {
      guard let type = values[name]?.elementType, type != 0 else { continue }
      // Which of two is wrong is not for us to say; in the order of types, so that one model always gives one answer.
      let root = groups.root(member)
      types[root] = Swift.min(types[root] ?? type, type)
    }
    for (name, member) in members where isUnknown(name) {
      guard let type = types[groups.root(member)] else { continue }
      values[name, default: .unknown].elementType = type
    }
  }

  private var members: [String: Int] = [:]
  private var parents: [Int] = []

  private mutating func join(_ names: [String]) {
    guard let first = names.first.map({ member($0) }) else { return }
    for name in names.dropFirst() { parents[root(member(name))] = root(first) }
  }

  private mutating func member(_ name: String) -> Int {
    if let known = members[name] { return known }
    members[name] = parents.count
    parents.append(parents.count)
    return parents.count - 1
  }

  private mutating func root(_ member: Int) -> Int {
    var at = member
    while parents[at] != at {
      // Every second step is skipped next time.
      parents[at] = parents[parents[at]]
      at = parents[at]
    }
    return at
  }
}
