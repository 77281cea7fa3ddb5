import AttentionPatterns
import Foundation
import ONNXGraph
import SparseAttention

/// Variants of a patched model for measuring: with statistics as graph outputs, or with one site made exact. In memory;
/// the file stays as it is.
package enum Instrumentation {
  /// The patched model with one graph output `isa.statistics/<site>` a site.
  /// - Throws: `ToolError` 65 for a file that is no model.
  package static func withStatistics(path: String) throws(ToolError) -> [UInt8] {
    try edited(path: path) { node, delta, index in
      let site = node.string("site") ?? node.name
      let name = RewriteNames.statisticsPrefix + site
      guard !index.isOutput(name) else { return node.copy() }
      var copy = node.copy()
      copy.outputs = [node.outputs[0], name]
      delta.addedOutputs.append(
        ValueInfo(name: name, elementType: ONNXGraph.ElementType.float32.rawValue, shape: [nil, nil, 4]))
      return copy
    }
  }

  /// The sites whose policies are not exact, in graph order.
  package static func sparseSites(path: String) throws(ToolError) -> [String] {
    do throws(ModelError) {
      return try Model.load(path: path).graph.nodes.filter(isSite).filter { node in
        PolicyTable.points(of: node)?.contains { $0.contains { !$0.exact } } ?? false
      }.map { $0.string("site") ?? $0.name }
    } catch {
      throw ToolError(error, model: path)
    }
  }

  /// The patched model with one site's policies all exact; nil leaves it as it is.
  package static func withExact(site: String?, path: String) throws(ToolError) -> [UInt8] {
    try edited(path: path) { node, _, _ in
      var copy = node.copy()
      if let site, (node.string("site") ?? node.name) == site, let points = PolicyTable.points(of: node) {
        let exact = points.map { $0.map { _ in Policy.exact } }
        copy.attributes.merge(SiteNode.attributes(exact)) { _, new in new }
      }
      return copy
    }
  }

  private static func isSite(_ node: Node) -> Bool {
    node.domain == RewriteNames.domain && node.opType == RewriteNames.attention
  }

  /// Writes every site of the main graph anew.
  private static func edited(
    path: String, _ change: (Node, inout GraphDelta, GraphIndex) -> NewNode
  ) throws(ToolError) -> [UInt8] {
    do throws(ModelError) {
      let model = try Model.load(path: path)
      let index = GraphIndex(model.graph)
      var delta = ModelDelta()
      var graph = GraphDelta()
      for node in model.graph.nodes where isSite(node) {
        graph.removedNodes.insert(node.index)
        graph.insert(change(node, &graph, index), before: node.index)
      }
      delta[.main] = graph
      return try delta.applied(to: model)
    } catch {
      throw ToolError(error, model: path)
    }
  }
}

extension Node {
  /// The same node, to be changed and put in its place.
  func copy() -> NewNode {
    NewNode(
      opType, domain: domain, name: name, inputs: inputs, outputs: outputs, attributes: attributes, metadata: metadata)
  }
}
