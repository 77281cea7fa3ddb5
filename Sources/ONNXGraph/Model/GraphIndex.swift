/// Who makes and who reads each value of a graph, with the scopes around it.
///
/// A final class so that it can be passed around and nested without copying; immutable.
public final class GraphIndex: Sendable {
  public let graph: Graph
  /// The graph whose node holds this one; nil for the main graph and for a function's body.
  public let outer: GraphIndex?

  /// One reading of a value.
  public struct Use: Hashable, Sendable {
    /// Index of the node in the graph.
    public var node: Int
    /// Which of the node's inputs; nil where one of its subgraphs reads the value.
    public var input: Int?
  }

  private let producers: [String: (node: Int, output: Int)]
  private let uses: [String: [Use]]
  private let initializers: [String: Int]
  private let inputs: [String: Int]
  private let outputNames: Set<String>
  private let valueInfo: [String: Int]

  public init(_ graph: Graph, outer: GraphIndex? = nil) {
    self.graph = graph
    self.outer = outer
    var producers: [String: (node: Int, output: Int)] = [:]
    var uses: [String: [Use]] = [:]
    producers.reserveCapacity(graph.nodes.count)
    uses.reserveCapacity(graph.nodes.count)
    for (position, node) in graph.nodes.enumerated() {
      for (output, name) in node.outputs.enumerated() where !name.isEmpty { producers[name] = (position, output) }
      for (input, name) in node.inputs.enumerated() where !name.isEmpty {
        uses[name, default: []].append(Use(node: position, input: input))
      }
      for name in node.capturedNames { uses[name, default: []].append(Use(node: position, input: nil)) }
    }
    self.producers = producers
    self.uses = uses
    initializers = Dictionary(
      graph.initializers.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { _, last in last })
    inputs = Dictionary(graph.inputs.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    outputNames = Set(graph.outputs.map(\.name))
    valueInfo = Dictionary(graph.valueInfo.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  // MARK: In this graph

  /// The node of this graph that makes a value.
  public func producer(of value: String) -> Node? { producers[value].map { graph.nodes[$0.node] } }

  func producerPosition(of value: String) -> Int? { producers[value]?.node }

  /// Which output of its producer a value is.
  public func outputIndex(of value: String) -> Int? { producers[value]?.output }

  /// Every reading of a value in this graph, in node order, those of subgraphs included.
  public func uses(of value: String) -> [Use] { uses[value] ?? [] }

  /// The nodes that read a value, each once.
  public func consumers(of value: String) -> [Node] {
    var last = -1
    return uses(of: value).compactMap { use in
      defer { last = use.node }
      return use.node == last ? nil : graph.nodes[use.node]
    }
  }

  public func isInput(_ value: String) -> Bool { inputs[value] != nil }
  public func input(_ value: String) -> ValueInfo? { inputs[value].map { graph.inputs[$0] } }
  public func isOutput(_ value: String) -> Bool { outputNames.contains(value) }

  /// The declared type of an input, output or intermediate value.
  public func declared(_ value: String) -> ValueInfo? {
    if let index = inputs[value] { return graph.inputs[index] }
    if let index = valueInfo[value] { return graph.valueInfo[index] }
    return outputNames.contains(value) ? graph.outputs.first { $0.name == value } : nil
  }

  /// True where this graph itself gives the name a value.
  public func defines(_ value: String) -> Bool {
    producers[value] != nil || initializers[value] != nil || inputs[value] != nil
  }

  /// Node positions in an order in which every value is made before it is read: the file's, where that is one. Nil
  /// where the nodes depend on each other in a circle.
  public func topologicalOrder() -> [Int]? {
    let order = sortedPart()
    return order.count == graph.nodes.count ? order : nil
  }

  /// The order as far as it goes: without nodes that are in a circle or read from one.
  func sortedPart() -> [Int] {
    var waiting = [Int](repeating: 0, count: graph.nodes.count)
    var isSorted = true
    for (name, readers) in uses {
      guard let producer = producers[name]?.node else { continue }
      for use in readers {
        waiting[use.node] += 1
        if use.node <= producer { isSorted = false }
      }
    }
    if isSorted { return Array(graph.nodes.indices) }
    var order = graph.nodes.indices.filter { waiting[$0] == 0 }
    var next = 0
    while next < order.count {
      for name in graph.nodes[order[next]].outputs where !name.isEmpty && producers[name]?.node == order[next] {
        for use in uses[name] ?? [] {
          waiting[use.node] -= 1
          if waiting[use.node] == 0 { order.append(use.node) }
        }
      }
      next += 1
    }
    return order
  }

  // MARK: Through the scopes

  /// The nearest scope that defines a value.
  public func scope(of value: String) -> GraphIndex? {
    var scope: GraphIndex? = self
    while let current = scope {
      if current.defines(value) { return current }
      scope = current.outer
    }
    return nil
  }

  /// An initializer by name, also where a graph input of the same name can override it.
  public func initializer(_ value: String) -> Tensor? {
    guard let scope = scope(of: value), let index = scope.initializers[value] else { return nil }
    return scope.graph.initializers[index]
  }

  /// The tensor of a value that is the same in every run: an initializer that no input overrides, a Constant node, or
  /// an Identity of one.
  public func constant(_ value: String) -> Tensor? {
    var name = value
    var scope: GraphIndex? = self
    // A chain of Identities is as long as the graph at most.
    for _ in 0...graph.nodes.count {
      scope = scope?.scope(of: name)
      guard let current = scope else { return nil }
      if let index = current.initializers[name] {
        return current.inputs[name] == nil ? current.graph.initializers[index] : nil
      }
      guard let producer = current.producer(of: name), producer.domain.isEmpty else { return nil }
      switch producer.opType {
      case "Constant": return producer.constantValue
      case "Identity":
        guard let source = producer.inputs.first, !source.isEmpty else { return nil }
        name = source
      default: return nil
      }
    }
    return nil
  }
}
