/// Types, shapes and small contents of all values of a model, found by one pass in the order of use.
///
/// Lengths are expressions over the names in the graph's inputs. Declared types (`value_info`) are used where they say
/// more, since exporters know lengths that the graph alone does not show; a declared length that names something which
/// is no input's length counts only where the pass finds nothing. What is not known stays nil.
public struct ShapeInference: Sendable {
  /// The main graph.
  public let main: GraphShapes

  /// - Parameter bindings: lengths in the place of the names in the inputs, to see one concrete run.
  public init(_ model: Model, bindings: [String: Dimension] = [:]) {
    var pass = ShapePass(model, bindings: bindings)
    main = pass.run()
  }

  /// The graph with a path (`Graph.path`), subgraphs and function bodies included.
  public func graph(at path: String) -> GraphShapes? {
    path.isEmpty ? main : main.descendants.first { $0.path == path }
  }

  /// Every graph, outer ones first.
  public var graphs: [GraphShapes] { [main] + main.descendants }
}

/// One graph with what is known of its values.
public final class GraphShapes: Sendable {
  public let index: GraphIndex
  /// Subgraphs and called functions, in node order.
  public let children: [GraphShapes]
  private let values: [String: InferredValue]

  public var graph: Graph { index.graph }
  public var path: String { index.graph.path }

  init(index: GraphIndex, children: [GraphShapes], values: [String: InferredValue]) {
    self.index = index
    self.children = children
    self.values = values
  }

  /// What is known of a value that this graph defines or reads.
  public func value(_ name: String) -> InferredValue { values[name] ?? .unknown }

  public func shape(of name: String) -> [Dimension?]? { value(name).shape }
  public func elementType(of name: String) -> Int32 { value(name).elementType }
  public func contents(of name: String) -> SymbolicTensor? { value(name).contents }

  /// All elements of a small tensor as numbers, folded where the graph computes them.
  public func numbers(of name: String) -> [Double]? { contents(of: name)?.numbers }

  /// Elements of a small integer tensor, each nil where unknown.
  public func integers(of name: String) -> [Dimension?]? { contents(of: name)?.integers }

  var descendants: [GraphShapes] { children.flatMap { [$0] + $0.descendants } }
}
