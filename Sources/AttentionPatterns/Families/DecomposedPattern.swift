import GraphRewriting

/// Attention in primitives, as exporters decompose it:
///
///     MatMul(q, kᵀ) → scale? → mask? → Cast? → Softmax → NaN guard? → Cast? → MatMul(·, v)
///
/// Scales on q and k stand further up and are found with the layouts.
enum DecomposedPattern {
  /// Begins the tags of steps that make a site attention which cannot be replaced.
  static let unread = "not read: "

  /// Why a step keeps a site; nil for steps that are read.
  static func refusal(of tag: String) -> KeptReason? {
    if let reason = refusals[tag] { return reason }
    return tag.hasPrefix(unread) ? .formNotUnderstood(String(tag.dropFirst(unread.count))) : nil
  }

  private static let refusals: [String: KeptReason] = [
    "soft cap": .softCap, "attention sink": .attentionSink, "quantised scores": .quantised,
    "quantised weights": .quantised,
  ]

  static let pattern = Pattern.alternatives(
    group: "second product",
    [
      .init("MatMul", .op("MatMul", probabilities, .value("v"), as: "second")),
      .init("FusedMatMul", .microsoft("FusedMatMul", probabilities, .value("v"), as: "second")),
      .init("Gemm", .op("Gemm", probabilities, .value("v"), .absent, as: "second")),
      .init("Einsum", .op("Einsum", probabilities, .value("v"), as: "second")),
      .init("MatMul, weights second", .op("MatMul", .value("v"), probabilities, as: "second")),
      .init("Einsum, weights second", .op("Einsum", .value("v"), probabilities, as: "second")),
      .init(
        "MatMulInteger",
        .op(
          "Mul",
          .op("Cast", .op("MatMulInteger", .op("DynamicQuantizeLinear", probabilities), .value("v"), as: "second")),
          .value("scales"))),
    ] + normalisedAfter)

  /// (exp(x − max x) v) / Σ exp(x − max x)
  private static let normalisedAfter = ["MatMul", "Einsum"].flatMap { product -> [Pattern.Alternative] in
    let mixed = Pattern.op(product, unnormalised, .value("v"), as: "second")
    return [
      .init("\(product), normalised after", .op("Div", mixed, sum("ReduceSum"), as: "normalised")),
      .init("\(product), normalised after", .op("Mul", mixed, reciprocal, commutative: true)),
    ]
  }

  private static let unnormalised = Pattern.chain(
    group: "probabilities", steps: afterSoftmax,
    end: .alternatives(group: "softmax", [.init("Exp", .op("Exp", scores, as: "softmax"))]))

  static let probabilities = Pattern.chain(group: "probabilities", steps: afterSoftmax, end: softmax)

  /// What may stand between the softmax and the second product.
  static let afterSoftmax: [Pattern.Alternative] = [
    .init("Cast", .op("Cast", .rest)),
    .init("Identity", .op("Identity", .rest)),
    .init("Dropout", .op("Dropout", .rest)),
    .init("NaN guard", .op("Where", .op("IsNaN", .value("guarded")), .number("fill"), .rest, as: "guard")),
    .init("weights replaced", .op("Where", .value("condition"), .number("fill"), .rest, as: "guard")),
    .init("weights kept", .op("Where", .value("condition"), .rest, .number("fill"), as: "guard")),
    .init("Transpose", .op("Transpose", .rest, as: "turned")),
    .init("Reshape", .op("Reshape", .rest)),
    .init("\(unread)a part of the weights", .op("Slice", .rest)),
    .init("\(unread)weights times something", .op("Mul", .rest, .value("by"), commutative: true)),
    .init("\(unread)weights divided by something", .op("Div", .rest, .value("by"))),
    .init("quantised weights", .op("DequantizeLinear", .op("QuantizeLinear", .rest))),
  ]

  static let softmax = Pattern.alternatives(
    group: "softmax",
    [
      .init("Softmax", .op("Softmax", scores, as: "softmax")),
      .init("Exp of LogSoftmax", .op("Exp", .op("LogSoftmax", scores, as: "softmax"))),
      // exp(x − max x) / Σ exp(x − max x), the maximum being a step of the scores, if it is there.
      .init(
        "Exp and ReduceSum",
        .op("Div", .op("Exp", scores, as: "exponential"), sum("ReduceSum"), as: "softmax")),
      .init(
        "Exp and ReduceSum",
        .op("Mul", .op("Exp", scores, as: "exponential"), reciprocal, commutative: true, as: "softmax")),
      // exp(x − log Σ exp x)
      .init(
        "ReduceLogSumExp",
        .op("Exp", .op("Sub", scores, sum("ReduceLogSumExp"), as: "normalised"), as: "softmax")),
    ])

  private static let reciprocal = Pattern.op("Reciprocal", sum("ReduceSum"), as: "reciprocal")

  private static func sum(_ type: String) -> Pattern { reduction(type, as: "sum") }

  /// A reduction over the keys, and what brings its result over the scores again.
  private static func reduction(_ type: String, as capture: String) -> Pattern {
    .chain(group: "\(capture) over the scores", steps: broadcast, end: .op(type, .value("\(capture) of"), as: capture))
  }

  private static let broadcast = ["Unsqueeze", "Reshape", "Expand", "Identity", "Cast"].map { type in
    Pattern.Alternative(type, .op(type, .rest))
  }

  static let scores = Pattern.chain(group: "scores", steps: beforeSoftmax, end: firstProduct)

  /// What may stand between the first product and the softmax.
  static let beforeSoftmax: [Pattern.Alternative] = [
    .init("scale by Mul", .op("Mul", .rest, .number("factor"), commutative: true)),
    .init("scale by Div", .op("Div", .rest, .number("factor"))),
    .init("mask by Add", .op("Add", .rest, .value("mask"), commutative: true, as: "masked")),
    .init("mask by Where", .op("Where", .value("mask"), .rest, .number("fill"), as: "masked")),
    .init("mask by Where, hiding", .op("Where", .value("mask"), .number("fill"), .rest, as: "masked")),
    .init("maximum subtracted", .op("Sub", .rest, reduction("ReduceMax", as: "maximum"), as: "difference")),
    .init("mask by Sub", .op("Sub", .rest, .value("mask"), as: "masked")),
    .init("Cast", .op("Cast", .rest)),
    .init("Identity", .op("Identity", .rest)),
    .init("Reshape", .op("Reshape", .rest)),
    .init("soft cap", .op("Tanh", .rest)),
    .init("attention sink", .op("Concat", .rest, .value("sink"))),
    .init("attention sink", .op("Concat", .value("sink"), .rest)),
    .init("quantised scores", .op("DequantizeLinear", .op("QuantizeLinear", .rest))),
    .init("\(unread)clipped scores", .op("Clip", .rest)),
    .init("Transpose", .op("Transpose", .rest, as: "turned")),
    .init("factor by Mul", .op("Mul", .rest, .value("by"), commutative: true)),
    .init("factor by Div", .op("Div", .rest, .value("by"))),
  ]

  static let firstProduct = Pattern.alternatives(
    group: "first product",
    [
      .init("MatMul", .op("MatMul", .value("q"), .value("k"), as: "first")),
      .init("FusedMatMul", .microsoft("FusedMatMul", .value("q"), .value("k"), as: "first")),
      .init("Gemm", .op("Gemm", .value("q"), .value("k"), .absent, as: "first")),
      .init("Einsum", .op("Einsum", .value("q"), .value("k"), as: "first")),
      .init(
        "MatMulInteger",
        .op("Mul", .op("Cast", .op("MatMulInteger", .value("q"), .value("k"), as: "first")), .value("first scales"))),
    ])
}
