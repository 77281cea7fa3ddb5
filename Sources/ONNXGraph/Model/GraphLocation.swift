/// Which list of nodes in a file: the main graph's, a function's, or a subgraph's of one of their nodes.
///
/// A function's body has one location however often it is called.
public struct GraphLocation: Hashable, Sendable {
  /// Index of the function in the model; nil for the main graph.
  public var function: Int?
  /// From there down.
  public var steps: [Step] = []

  public struct Step: Hashable, Sendable {
    public var node: Int
    public var attribute: String
    /// Which graph of a list of graphs; 0 for a single one.
    public var ordinal: Int

    public init(node: Int, attribute: String, ordinal: Int = 0) {
      self.node = node
      self.attribute = attribute
      self.ordinal = ordinal
    }
  }

  public init(function: Int? = nil, steps: [Step] = []) {
    self.function = function
    self.steps = steps
  }

  public static let main = GraphLocation()

  func appending(node: Int, attribute: String, ordinal: Int) -> GraphLocation {
    var location = self
    location.steps.append(Step(node: node, attribute: attribute, ordinal: ordinal))
    return location
  }
}
