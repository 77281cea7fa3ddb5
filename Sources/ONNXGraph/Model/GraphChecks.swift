/// What must hold between the nodes of a model before anything walks it: every name defined once and before it is read,
/// no circles among nodes or functions.
struct GraphChecks {
  private let functions: [LocalFunction.Key: LocalFunction]

  static func check(_ model: Model) throws(ModelError) {
    var functions: [LocalFunction.Key: LocalFunction] = [:]
    for function in model.functions {
      guard functions.updateValue(function, forKey: function.key) == nil else {
        throw .duplicateName(name: "\(function.domain).\(function.name)", where: "the list of functions")
      }
    }
    let checks = GraphChecks(functions: functions)
    try checks.check(model.index, outer: nil)
    for function in model.functions {
      let body = Graph(
        name: function.name, path: "\(function.domain).\(function.name)>", location: function.location,
        nodes: function.nodes, inputs: function.inputs.map { ValueInfo(name: $0, elementType: 0, shape: nil) },
        outputs: function.outputs.map { ValueInfo(name: $0, elementType: 0, shape: nil) }, valueInfo: [],
        initializers: [])
      try checks.check(GraphIndex(body), outer: nil)
    }
    if !functions.isEmpty { try checks.checkCalls(model.functions) }
  }

  // MARK: Names

  /// The names of a graph, and those around it.
  private final class Scope {
    let names: Set<String>
    let outer: Scope?

    init(_ names: Set<String>, outer: Scope?) {
      self.names = names
      self.outer = outer
    }

    func defines(_ name: String) -> Bool {
      var scope: Scope? = self
      while let current = scope {
        if current.names.contains(name) { return true }
        scope = current.outer
      }
      return false
    }
  }

  private func check(_ index: GraphIndex, outer: Scope?) throws(ModelError) {
    let graph = index.graph
    var own: Set<String> = []
    own.reserveCapacity(graph.nodes.count + graph.initializers.count)
    for input in graph.inputs where !own.insert(input.name).inserted {
      throw .duplicateName(name: input.name, where: graph.path)
    }
    var initializers = Set(graph.sparseInitializers)
    for tensor in graph.initializers where !initializers.insert(tensor.name).inserted {
      throw .duplicateName(name: tensor.name, where: graph.path)
    }
    own.formUnion(initializers)
    for node in graph.nodes {
      for output in node.outputs where !output.isEmpty && !own.insert(output).inserted {
        throw .duplicateName(name: output, where: graph.path)
      }
    }
    let scope = Scope(own, outer: outer)
    for node in graph.nodes {
      for input in node.inputs where !input.isEmpty && !scope.defines(input) {
        throw .invalidGraph(
          where: graph.path + node.label, reason: "it reads \(input.quoted), which nothing defines")
      }
    }
    for output in graph.outputs where !scope.defines(output.name) {
      throw .invalidGraph(where: graph.path, reason: "its output \(output.name.quoted) is made by no node")
    }
    guard index.topologicalOrder() != nil else { throw .cycle(where: circular(index)) }
    for node in graph.nodes where !node.attributes.isEmpty {
      for subgraph in node.subgraphs { try check(GraphIndex(subgraph, outer: index), outer: scope) }
    }
  }

  /// A node of a circle: walking from reader to producer comes back to one.
  private func circular(_ index: GraphIndex) -> String {
    let waiting = Set(index.graph.nodes.indices).subtracting(index.sortedPart())
    guard var current = waiting.min() else { return index.graph.path }
    var seen: Set<Int> = []
    while seen.insert(current).inserted {
      let node = index.graph.nodes[current]
      let sources = (node.inputs + node.capturedNames).compactMap { index.producerPosition(of: $0) }
      guard let next = sources.first(where: { waiting.contains($0) }) else { break }
      current = next
    }
    return index.graph.path + index.graph.nodes[current].label
  }

  // MARK: Functions

  private func checkCalls(_ list: [LocalFunction]) throws(ModelError) {
    var callees: [LocalFunction.Key: [LocalFunction.Key]] = [:]
    for function in list {
      var keys: Set<LocalFunction.Key> = []
      collectCalls(function.nodes, into: &keys)
      callees[function.key] = keys.sorted { ($0.domain, $0.name, $0.overload) < ($1.domain, $1.name, $1.overload) }
    }
    // How deep each function's calls go; walked with a list of our own, since a chain may be as long as the file.
    var depth: [LocalFunction.Key: Int] = [:]
    for function in list where depth[function.key] == nil {
      var open: [(key: LocalFunction.Key, next: Int)] = [(function.key, 0)]
      var entered: Set<LocalFunction.Key> = [function.key]
      while let (key, next) = open.last {
        let calls = callees[key] ?? []
        if next < calls.count {
          open[open.count - 1].next += 1
          let callee = calls[next]
          if entered.contains(callee) { throw .cycle(where: "function \(callee.domain).\(callee.name)") }
          if depth[callee] == nil {
            entered.insert(callee)
            open.append((callee, 0))
          }
        } else {
          depth[key] = 1 + (calls.compactMap { depth[$0] }.max() ?? 0)
          guard depth[key, default: 0] <= Model.nestingLimit else {
            throw .invalidGraph(
              where: "\(key.domain).\(key.name)",
              reason: "functions call each other more than \(Model.nestingLimit) deep")
          }
          entered.remove(key)
          open.removeLast()
        }
      }
    }
  }

  private func collectCalls(_ nodes: [Node], into keys: inout Set<LocalFunction.Key>) {
    for node in nodes {
      if functions[node.functionKey] != nil { keys.insert(node.functionKey) }
      for graph in node.subgraphs { collectCalls(graph.nodes, into: &keys) }
    }
  }
}
