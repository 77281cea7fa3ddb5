import GraphRewriting
import ONNXGraph

/// A graph with what is known of its values, as the families and walkers look at it.
public final class GraphView: Sendable {
  public let shapes: GraphShapes
  public let opsets: [String: Int64]
  /// Values that are the same in every run, whatever their size.
  private let constants: Set<String>

  public var index: GraphIndex { shapes.index }
  public var graph: Graph { shapes.graph }

  /// - Parameter outerConstants: values of the graphs around this one that are the same in every run.
  init(_ shapes: GraphShapes, opsets: [String: Int64], outerConstants: Set<String> = []) {
    self.shapes = shapes
    self.opsets = opsets
    let index = shapes.index
    let graph = shapes.graph
    var constants = Set(graph.initializers.lazy.map(\.name).filter { !index.isInput($0) })
    constants.formUnion(graph.sparseInitializers)
    if !outerConstants.isEmpty { constants.formUnion(graph.freeNames.filter(outerConstants.contains)) }
    for position in index.topologicalOrder() ?? [] {
      let node = graph.nodes[position]
      guard node.inputs.allSatisfy({ $0.isEmpty || constants.contains($0) }), node.subgraphs.isEmpty,
        !node.inputs.isEmpty || node.opType == "Constant"
      else { continue }
      constants.formUnion(node.outputs)
    }
    constants.remove("")
    self.constants = constants
  }

  var constantValues: Set<String> { constants }

  /// True for weights, constants and what is computed from them alone.
  public func isConstant(_ value: String) -> Bool { constants.contains(value) }

  public func shape(_ value: String) -> [Dimension?]? { shapes.shape(of: value) }

  public func producer(_ value: String) -> Node? { index.producer(of: value) }

  /// The number that every element of a value is, in every run.
  public func number(_ value: String) -> Double? {
    guard let numbers = shapes.numbers(of: value), let first = numbers.first,
      numbers.allSatisfy({ $0 == first || $0.isNaN && first.isNaN })
    else { return nil }
    return first
  }

  /// Matches patterns in this graph.
  var matcher: Matcher {
    Matcher(index, number: { self.number($0) }, isConstant: { self.isConstant($0) })
  }

  public func elementType(_ value: String) -> ElementType? {
    ElementType(rawValue: shapes.elementType(of: value)).flatMap { $0 == .undefined ? nil : $0 }
  }

  /// The only node that reads a value; nil where there are more, none, or the value leaves the graph.
  public func onlyConsumer(_ value: String) -> Node? {
    let uses = index.uses(of: value)
    guard uses.count == 1, uses[0].input != nil, !index.isOutput(value) else { return nil }
    return graph.nodes[uses[0].node]
  }
}
