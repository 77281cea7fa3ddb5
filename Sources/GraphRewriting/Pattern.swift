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
  /// The first operator of the list that fits, with its inputs in order; `captured` names the node.
  case node(ops: [Operator], inputs: [Pattern], commutative: Bool, captured: String?)
  /// The first alternative that fits; its tag is recorded under `group`.
  case alternatives(group: String, [Alternative])

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

    public var description: String { domain.isEmpty ? type : "\(domain).\(type)" }
  }
}

extension Pattern {
  /// One operator of ai.onnx.
  public static func op(_ type: String, _ inputs: Pattern..., commutative: Bool = false, as name: String? = nil)
    -> Pattern
  {
    .node(ops: [Operator(type)], inputs: inputs, commutative: commutative, captured: name)
  }

  /// `op` around a pattern, or the pattern alone.
  public static func optional(_ group: String, _ alternatives: [Alternative], else pattern: Pattern) -> Pattern {
    .alternatives(group: group, alternatives + [Alternative("none", pattern)])
  }
}

/// What a pattern bound.
public struct Match: Sendable {
  /// Captured values.
  public var values: [String: String] = [:]
  /// Captured numbers.
  public var numbers: [String: Double] = [:]
  /// Captured nodes.
  public var nodes: [String: Node] = [:]
  /// Group → tag of the alternative that fitted.
  public var tags: [String: String] = [:]
  /// Every node that the pattern went through, in the order of matching.
  public var used: [Node] = []

  public init() {}
}

/// Where the best attempt at a pattern stopped, for people.
public struct NearMiss: Hashable, Sendable {
  /// Nodes that had fitted.
  public var depth: Int
  /// The value that did not.
  public var value: String
  public var expected: String
  public var found: String

  public var message: String { "at \(value) a \(expected) was expected, but there is \(found)" }
}
