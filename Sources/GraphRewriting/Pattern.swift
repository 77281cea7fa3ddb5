import ONNXGraph

/// A piece of a graph as it is read from a value upstream: the operators that make it, with what is captured by name.
///
/// Alternatives carry tags, and the tags drive the rewrite. A pattern is data: families are declared with it, and the
/// one `Matcher` interprets it.
public indirect enum Pattern: Sendable {
  /// Any value, captured.
  case value(String)
  /// A value that is the same number in every run, captured: a constant, or what shape arithmetic folds to one.
  case number(String)
  /// A value that is the same in every run, captured: weights, and what is computed from them alone.
  case weight(String)
  /// Any other value, captured.
  case activation(String)
  /// An operator with its inputs in order; `capture` names the node. Further inputs of the node are not looked at.
  case node(ops: [Operator], inputs: [Pattern], commutative: Bool, capture: String?)
  /// The first alternative that fits; its tag is recorded under `group`.
  case alternatives(group: String, [Alternative])
  /// Any number of steps, each around the next, then `end`. A step is a pattern in which `.rest` stands for what is
  /// inside; the steps are recorded under `group`, outermost first.
  case chain(group: String, steps: [Alternative], end: Pattern)
  /// What a step of a chain stands around.
  case rest
  /// Nothing: an optional input that is left out.
  case absent

  public struct Alternative: Sendable {
    public var tag: String
    public var pattern: Pattern

    public init(_ tag: String, _ pattern: Pattern) {
      self.tag = tag
      self.pattern = pattern
    }
  }

  /// An operator by domain and type.
  public struct Operator: Hashable, Sendable, CustomStringConvertible {
    public var domain: String
    public var type: String

    public init(_ type: String, domain: String = "") {
      self.domain = domain
      self.type = type
    }

    public init(of node: Node) {
      self.init(node.opType, domain: node.domain == "ai.onnx" ? "" : node.domain)
    }

    public var description: String { domain.isEmpty ? type : "\(domain).\(type)" }
  }
}

extension Pattern {
  /// One operator of ai.onnx.
  public static func op(
    _ type: String, _ inputs: Pattern..., commutative: Bool = false, as capture: String? = nil
  ) -> Pattern {
    .node(ops: [Operator(type)], inputs: inputs, commutative: commutative, capture: capture)
  }

  /// One of several operators of ai.onnx.
  public static func anyOp(_ types: [String], _ inputs: Pattern..., as capture: String? = nil) -> Pattern {
    .node(ops: types.map { Operator($0) }, inputs: inputs, commutative: false, capture: capture)
  }

  /// One operator of com.microsoft.
  public static func microsoft(_ type: String, _ inputs: Pattern..., as capture: String? = nil) -> Pattern {
    .node(ops: [Operator(type, domain: "com.microsoft")], inputs: inputs, commutative: false, capture: capture)
  }
}
