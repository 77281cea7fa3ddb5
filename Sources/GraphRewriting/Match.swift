import ONNXGraph

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
  /// Chain → its steps, outermost first.
  public var steps: [String: [Step]] = [:]
  /// Every node that the pattern went through, in the order of matching.
  public var used: [Node] = []

  /// One step of a chain with what it captured.
  public struct Step: Sendable {
    public var tag: String
    /// The node that the step begins with, seen from downstream.
    public var node: Node?
    public var values: [String: String]
    public var numbers: [String: Double]
    public var nodes: [String: Node]
  }

  public init() {}
}

/// Where the best attempt at a pattern stopped, for people.
public struct NearMiss: Sendable {
  /// Nodes that had fitted, in the order of matching.
  public var trail: [Node]
  /// The value that did not.
  public var value: String
  /// What would have fitted there.
  public var expected: [String]
  public var found: String

  public var depth: Int { trail.count }

  public var message: String {
    let some = expected.prefix(4).joined(separator: ", ")
    return "\(found) makes \(value), where \(some)\(expected.count > 4 ? " or the like" : "") was expected"
  }
}
