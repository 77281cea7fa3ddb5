import ONNXGraph

/// States what a legal graph is; run on every graph that a rewrite made, before anything is written.
public enum GraphSpecification {
  /// The first thing that is wrong, in one sentence, or nil.
  ///
  /// - Parameter original: what the model was made from. Domains that it uses without an import, as files from ONNX
  ///   Runtime's optimizers do, are not held against the model.
  public static func violation(in model: Model, madeFrom original: Model? = nil) -> String? {
    var domains = Set(model.opsets.keys)
    if let original { domains.formUnion(original.graph.nodes.map { domain($0) }) }
    return violation(in: model.graph, model: model, domains: domains, outer: [])
  }

  private static func domain(_ node: Node) -> String { node.domain == "ai.onnx" ? "" : node.domain }

  private static func violation(
    in graph: Graph, model: Model, domains: Set<String>, outer: Set<String>
  ) -> String? {
    var defined = outer
    defined.insert("")
    for input in graph.inputs { defined.insert(input.name) }
    for tensor in graph.initializers { defined.insert(tensor.name) }
    defined.formUnion(graph.sparseInitializers)
    var producers: [String: Int] = [:]
    for (i, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isEmpty {
        if producers[output] != nil { return "Value \(output) is made twice." }
        producers[output] = i
      }
    }
    let functions = Set(model.functions.map { "\($0.domain).\($0.name)" })
    for (i, node) in graph.nodes.enumerated() {
      if !domains.contains(domain(node)), !functions.contains("\(node.domain).\(node.opType)") {
        return "Node \(node.name) is of domain \(node.domain), which the model does not import."
      }
      for input in node.inputs where !defined.contains(input) {
        // Files with unsorted nodes are met in the wild; a value that comes later in the list is as good.
        guard let producer = producers[input] else { return "Node \(node.name) reads \(input), which nothing makes." }
        if producer == i { return "Node \(node.name) reads its own output \(input)." }
      }
      let subgraphs = node.subgraphs
      // A copy of all names for a node with bodies alone: for every node it would be quadratic.
      let scope = subgraphs.isEmpty ? [] : defined.union(producers.keys)
      for subgraph in subgraphs {
        if let found = violation(in: subgraph, model: model, domains: domains, outer: scope) { return found }
      }
      defined.formUnion(node.outputs)
    }
    for output in graph.outputs where !defined.contains(output.name) {
      return "Output \(output.name) of graph \(graph.name) is made by nothing."
    }
    return nil
  }
}
