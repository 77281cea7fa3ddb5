import ONNXGraph

/// The operator in standard operators: a function of the model, for tools that do not have the operator's library.
///
/// ONNX Runtime takes the library's kernel where it is registered, and the body elsewhere. The body attends exactly, whatever
/// the policies. It is one for all sites; what differs between them are attributes, to which its nodes refer:
///
///     q, k, v → [B, H, S, D] → softmax(scale · q kᵀ + bias, without masked keys) v → the output's layout
///
/// Query heads that share keys are rows of one product.
public struct StandardBody {
  /// Which optional inputs the sites have. A function cannot ask, so that all have to have the same.
  public struct Inputs: Hashable, Sendable {
    public var keyMask: Bool
    public var bias: Bool

    public init(of node: Node) {
      keyMask = node.inputs.count > 3 && !node.inputs[3].isEmpty
      bias = node.inputs.count > 4 && !node.inputs[4].isEmpty
    }
  }

  /// Local functions came with IR 8, `CastLike` and parts of `Shape` with opset 15.
  public static let leastVersions: (ir: Int64, opset: Int64) = (8, 15)

  /// What a site's node says to the body.
  static func attributes(_ attention: Attention, _ masks: MaskPlan) -> [String: AttributeValue] {
    func shape(_ layout: TensorLayout, _ heads: Int) -> AttributeValue {
      .ints(layout == .bse ? [0, 0, Int64(heads), -1] : [0, 0, 0, 0])
    }
    func order(_ layout: TensorLayout) -> AttributeValue { .ints(layout == .bhsd ? [0, 1, 2, 3] : [0, 2, 1, 3]) }
    // A masked key's score becomes score · factor + number.
    var (factor, number): (Float, Float) =
      switch masks.maskedKeys {
      case .absent: (0, -.infinity)
      case .scored(let score): (0, score * Float(attention.maskScale))
      case .biased(let bias): (1, bias * Float(attention.maskScale))
      }
    if attention.elementType == .float16, number < MaskPlan.lowestHalf, number > -.infinity {
      // No digit of a score is left beside it.
      (factor, number) = (0, MaskPlan.lowestHalf)
    }
    return [
      "body_masked_factor": .float(factor), "body_masked_number": .float(number),
      "body_bias_scale": .float(Float(attention.maskScale)),
      "body_replacing_bias": .float(masks.replacingBias ?? -.infinity),
      "body_empty_row": .float(masks.emptyRows.value),
      "body_query_shape": shape(attention.query.layout, attention.heads),
      "body_query_order": order(attention.query.layout),
      "body_key_shape": shape(attention.key.layout, attention.keyHeads),
      "body_key_order": .ints(attention.key.layout == .bhsd ? [0, 1, 3, 2] : [0, 2, 3, 1]),
      "body_value_shape": shape(attention.value.layout, attention.keyHeads),
      "body_value_order": order(attention.value.layout),
      "body_group_shape": .ints([0, Int64(attention.keyHeads), -1, Int64(attention.headSize)]),
      "body_output_order": order(attention.output.layout),
      "body_output_shape": .ints(attention.output.layout == .bse ? [0, 0, -1] : [0, 0, 0, 0]),
    ]
  }

  private static let inputs = [
    "query", "key", "value", "key_mask", "bias", "query_segments", "key_segments", "point",
  ]
  /// Those that the body reads: onnx's evaluator asks every call for all that a function declares.
  private static let attributes = [
    "scale", "body_query_shape", "body_query_order", "body_key_shape", "body_key_order", "body_value_shape",
    "body_value_order", "body_group_shape", "body_output_order", "body_output_shape", "body_masked_factor",
    "body_masked_number", "body_bias_scale", "body_replacing_bias", "body_empty_row",
  ]

  private var nodes: [[UInt8]] = []

  /// The function as a field of the model's message: appended to a serialised model, it is one more function of it.
  ///
  /// - Parameter count: of inputs, the most that a site has; onnx's evaluator wants as many as a call has.
  public static func field(_ inputs: Inputs, count: Int, opset: Int64) -> [UInt8] {
    var body = StandardBody()
    body.add(inputs)
    let function =
      text(1, RewriteNames.attention) + Self.inputs.prefix(count).flatMap { text(4, $0) } + text(5, "output")
      + attributes.flatMap { text(6, $0) } + body.nodes.flatMap { message(7, $0) }
      + message(9, text(1, "") + integer(2, opset)) + text(10, RewriteNames.domain)
    return message(25, function)
  }

  private mutating func add(_ inputs: Inputs) {
    for name in ["query", "key", "value"] {
      constant("\(name) shape", Self.reference("value_ints", "body_\(name)_shape", .ints))
      node("Reshape", [name, "\(name) shape"], "\(name) heads")
      node("Transpose", ["\(name) heads"], "\(name) ready", [Self.reference("perm", "body_\(name)_order", .ints)])
    }
    constant("group shape", Self.reference("value_ints", "body_group_shape", .ints))
    node("Reshape", ["query ready", "group shape"], "rows")
    constant("factor", Self.reference("value_float", "scale", .float))
    node("CastLike", ["factor", "query"], "typed factor")
    node("Mul", ["rows", "typed factor"], "scaled rows")
    node("MatMul", ["scaled rows", "key ready"], "grouped scores")
    node("Shape", ["query ready"], "leading", [Self.number("start", 0), Self.number("end", 3)])
    node("Shape", ["key ready"], "columns", [Self.number("start", 3), Self.number("end", 4)])
    node("Concat", ["leading", "columns"], "scores shape", [Self.number("axis", 0)])
    node("Reshape", ["grouped scores", "scores shape"], "plain scores")
    var scores = "plain scores"
    for name in ["masked factor", "masked number", "bias scale", "replacing bias", "empty row"] {
      let attribute = "body_" + name.split(separator: " ").joined(separator: "_")
      constant("untyped \(name)", Self.reference("value_float", attribute, .float))
      node("CastLike", ["untyped \(name)", "query"], name)
    }
    if inputs.bias {
      node("Mul", ["bias", "bias scale"], "scaled bias")
      node("Add", [scores, "scaled bias"], "sums")
      node("LessOrEqual", ["bias", "replacing bias"], "replaces")
      node("Where", ["replaces", "scaled bias", "sums"], "biased scores")
      scores = "biased scores"
    }
    if inputs.keyMask {
      constant("mask axes", Self.numbers("value_ints", [1, 2]))
      node("Unsqueeze", ["key_mask", "mask axes"], "mask")
      // Not a product: zero times a bias of −∞ is no number.
      node("Cast", ["masked factor"], "masked scores count", [Self.number("to", Int64(ElementType.bool.rawValue))])
      node("Where", ["masked scores count", scores, "masked factor"], "what stays of masked scores")
      node("Add", ["what stays of masked scores", "masked number"], "masked ones")
      node("Where", ["mask", scores, "masked ones"], "masked scores")
      scores = "masked scores"
    }
    node("Softmax", [scores], "softmax", [Self.number("axis", -1)])
    var weights = "softmax"
    if inputs.keyMask || inputs.bias {
      node("IsNaN", [weights], "empty")
      node("Where", ["empty", "empty row", weights], "weights")
      weights = "weights"
    }
    node("Shape", ["grouped scores"], "grouped shape")
    node("Reshape", [weights, "grouped shape"], "grouped weights")
    node("MatMul", ["grouped weights", "value ready"], "mixed")
    node("Shape", ["value ready"], "channels", [Self.number("start", 3), Self.number("end", 4)])
    node("Concat", ["leading", "channels"], "mixed shape", [Self.number("axis", 0)])
    node("Reshape", ["mixed", "mixed shape"], "plain output")
    node("Transpose", ["plain output"], "turned output", [Self.reference("perm", "body_output_order", .ints)])
    constant("output shape", Self.reference("value_ints", "body_output_shape", .ints))
    node("Reshape", ["turned output", "output shape"], "output")
  }

  private mutating func constant(_ name: String, _ value: [UInt8]) { node("Constant", [], name, [value]) }

  private mutating func node(_ type: String, _ inputs: [String], _ output: String, _ attributes: [[UInt8]] = []) {
    nodes.append(
      inputs.flatMap { Self.text(1, $0) } + Self.text(2, output) + Self.text(3, output) + Self.text(4, type)
        + attributes.flatMap { Self.message(5, $0) })
  }

  // MARK: Messages

  /// AttributeProto.AttributeType.
  private enum Kind: Int64 {
    case float = 1
    case int = 2
    case ints = 7
  }

  private static func reference(_ name: String, _ attribute: String, _ kind: Kind) -> [UInt8] {
    text(1, name) + integer(20, kind.rawValue) + text(21, attribute)
  }
  private static func number(_ name: String, _ value: Int64) -> [UInt8] {
    text(1, name) + integer(3, value) + integer(20, Kind.int.rawValue)
  }
  private static func numbers(_ name: String, _ values: [Int64]) -> [UInt8] {
    text(1, name) + values.flatMap { integer(8, $0) } + integer(20, Kind.ints.rawValue)
  }
  private static func float(_ name: String, _ value: Float) -> [UInt8] {
    text(1, name) + WireFormat.varint(2 << 3 | 5) + withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      + integer(20, Kind.float.rawValue)
  }
  private static func text(_ field: UInt64, _ value: String) -> [UInt8] { message(field, Array(value.utf8)) }
  private static func integer(_ field: UInt64, _ value: Int64) -> [UInt8] {
    WireFormat.varint(field << 3) + WireFormat.varint(UInt64(bitPattern: value))
  }
  private static func message(_ field: UInt64, _ content: [UInt8]) -> [UInt8] {
    WireFormat.field(field, count: content.count) + content
  }
}
