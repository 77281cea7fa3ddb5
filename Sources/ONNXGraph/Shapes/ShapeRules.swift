/// An output's type and shape from those of the inputs: one rule an operator.
///
/// A rule gives what it is sure of; an invalid node gives `unknown`, never an error: the model's own run will say.
enum ShapeRules {
  typealias Rule = @Sendable (Operation) -> [InferredValue]

  static func outputs(_ operation: Operation) -> [InferredValue] {
    let rules =
      switch operation.node.domain {
      case "": standard
      case "com.microsoft": microsoft
      case "isa": isa
      default: [String: Rule]()
      }
    guard let rule = rules[operation.node.opType] else { return [] }
    return rule(operation)
  }

  static let standard: [String: Rule] = {
    var table: [String: Rule] = [:]
    for group in [elementwise, layout, selection, linear, reductions, windows, sources, fused] {
      table.merge(group) { _, new in new }
    }
    return table
  }()

  /// Rules that give one output.
  static func one(_ type: Int32, _ shape: [Dimension?]?) -> [InferredValue] {
    [InferredValue(elementType: type, shape: shape)]
  }

  // MARK: Element by element

  static let bool = ElementType.bool.rawValue
  static let int64 = ElementType.int64.rawValue

  private static let elementwise: [String: Rule] = {
    var table: [String: Rule] = [:]
    for name in [
      "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh",
      "CumSum", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
      "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "PRelu",
      "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus",
      "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu", "ScatterND", "ScatterElements",
      "Scatter", "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization", "LRN",
      "RMSNormalization", "SimplifiedLayerNormalization", "RotaryEmbedding", "ReverseSequence",
    ] {
      table[name] = { one($0.type(0), $0.shape(0)) }
    }
    for name in ["IsNaN", "IsInf"] { table[name] = { one(bool, $0.shape(0)) } }
    for name in [
      "Add", "Sub", "Mul", "Div", "Pow", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Min",
      "Max", "Sum", "Mean",
    ] {
      table[name] = { operation in
        one(operation.type(0), broadcast(operation.inputs.indices.map { operation.shape($0) }))
      }
    }
    for name in ["And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"] {
      table[name] = { one(bool, broadcast([$0.shape(0), $0.shape(1)])) }
    }
    table["Where"] = { one($0.type(1), broadcast([$0.shape(0), $0.shape(1), $0.shape(2)])) }
    table["Cast"] = { one(Int32(clamping: $0.node.int("to") ?? 0), $0.shape(0)) }
    table["CastLike"] = { one($0.type(1), $0.shape(0)) }
    table["QuantizeLinear"] = { one($0.has(2) ? $0.type(2) : ElementType.uint8.rawValue, $0.shape(0)) }
    table["DequantizeLinear"] = { one($0.type(1), $0.shape(0)) }
    table["DynamicQuantizeLinear"] = {
      [
        InferredValue(elementType: ElementType.uint8.rawValue, shape: $0.shape(0)),
        InferredValue(elementType: ElementType.float32.rawValue, shape: []),
        InferredValue(elementType: ElementType.uint8.rawValue, shape: []),
      ]
    }
    return table
  }()

  /// NumPy's broadcasting.
  static func broadcast(_ shapes: [[Dimension?]?]) -> [Dimension?]? {
    guard var result = shapes.first ?? nil else { return nil }
    for shape in shapes.dropFirst() {
      guard let shape else { return nil }
      let rank = Swift.max(result.count, shape.count)
      let a = Array(repeating: 1 as Dimension?, count: rank - result.count) + result
      let b = Array(repeating: 1 as Dimension?, count: rank - shape.count) + shape
      result = zip(a, b).map { broadcast($0, $1) }
    }
    return result
  }

  /// One axis: equal lengths, or one of them 1. Two different expressions may both be 1: unknown.
  static func broadcast(_ a: Dimension?, _ b: Dimension?) -> Dimension? {
    if a == 1 { return b }
    if b == 1 { return a }
    if a == b { return a }
    if let number = a?.value, number != 1 { return a }
    if let number = b?.value, number != 1 { return b }
    // In a run that is valid at all a length that is at most the other one is equal to it, or 1.
    guard let a, let b else { return nil }
    if b.isAtMost(a) { return a }
    if a.isAtMost(b) { return b }
    return nil
  }
}
