extension LocalFunction {
  /// What a node must call to call it.
  public struct Key: Hashable, Sendable {
    public var domain: String
    public var name: String
    public var overload: String

    public init(domain: String, name: String, overload: String) {
      self.domain = domain
      self.name = name
      self.overload = overload
    }
  }

  public var key: Key { Key(domain: domain, name: name, overload: overload) }

  /// Its body as a graph, for one call: references to attributes are replaced by what the call or the defaults give,
  /// and go where neither does.
  ///
  /// - Parameters:
  ///   - call: the calling node.
  ///   - path: of the graph that the call stands in; the body's is `path` + `node>Function/`.
  public func body(calledBy call: Node, in path: String) -> Graph {
    let path = "\(path)\(call.label)>\(name)/"
    let binding = AttributeBinding(values: defaults.merging(call.attributes) { _, given in given })
    func untyped(_ name: String) -> ValueInfo { ValueInfo(name: name, elementType: 0, shape: nil) }
    return Graph(
      name: name, path: path, location: location, nodes: nodes.map { binding.bound($0, in: path) },
      inputs: inputs.map(untyped), outputs: outputs.map(untyped), valueInfo: [], initializers: [])
  }
}

extension Node {
  public var functionKey: LocalFunction.Key { LocalFunction.Key(domain: domain, name: opType, overload: overload) }
}

/// Puts a call's attributes in the place of a function body's references to them.
private struct AttributeBinding {
  let values: [String: AttributeValue]

  func bound(_ node: Node, in path: String) -> Node {
    guard !node.attributes.isEmpty else { return node }
    var node = node
    for (name, value) in node.attributes {
      switch value {
      case .reference(let source):
        // A reference that the call itself only passes on is bound when its own caller is.
        node.attributes[name] = values[source].flatMap { if case .reference = $0 { nil } else { $0 } }
      case .graph(let graph):
        node.attributes[name] = .graph(bound(graph, path: "\(path)\(node.label)/\(name)/"))
      case .graphs(let graphs):
        node.attributes[name] = .graphs(
          graphs.enumerated().map { bound($1, path: "\(path)\(node.label)/\(name)[\($0)]/") })
      default: break
      }
    }
    return node
  }

  private func bound(_ graph: Graph, path: String) -> Graph {
    var graph = graph
    graph.path = path
    graph.nodes = graph.nodes.map { bound($0, in: path) }
    return graph
  }
}

extension Model {
  /// The function that a node calls.
  public func function(_ node: Node) -> LocalFunction? {
    functions.first { $0.name == node.opType && $0.domain == node.domain && $0.overload == node.overload }
  }
}
