import ONNXGraph

/// What a rewrite leaves without a reader.
enum DeadNodes {
  /// Nodes to remove with those already removed: what made their inputs and serves nobody else.
  ///
  /// - Parameters:
  ///   - removed: node indices that go in any case.
  ///   - read: values that new nodes read.
  static func closure(removing removed: Set<Int>, read: Set<String>, in index: GraphIndex) -> Set<Int> {
    var gone = removed
    var waiting = removed.sorted()
    while let position = waiting.popLast() {
      for input in inputs(of: index.graph.nodes[position]) {
        guard let producer = index.producer(of: input), !gone.contains(producer.index) else { continue }
        let isDead = producer.outputs.allSatisfy { output in
          output.isEmpty
            || !read.contains(output) && !index.isOutput(output)
              && index.uses(of: output).allSatisfy { gone.contains($0.node) }
        }
        if isDead {
          gone.insert(producer.index)
          waiting.append(producer.index)
        }
      }
    }
    return gone
  }

  /// Initializers that only removed nodes read.
  static func initializers(removing removed: Set<Int>, read: Set<String>, in index: GraphIndex) -> Set<String> {
    let own = Set(index.graph.initializers.map(\.name))
    let names = Set(removed.flatMap { inputs(of: index.graph.nodes[$0]) })
    return names.filter { name in
      own.contains(name) && !read.contains(name) && !index.isOutput(name) && !index.isInput(name)
        && index.uses(of: name).allSatisfy { removed.contains($0.node) }
    }
  }

  private static func inputs(of node: Node) -> [String] {
    node.inputs.filter { !$0.isEmpty } + node.capturedNames
  }
}
