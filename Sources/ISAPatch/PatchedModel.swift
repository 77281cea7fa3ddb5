import AttentionPatterns
import ONNXGraph
import SparseAttention

/// What a patched model says of itself.
enum PatchedModel {
  /// True where it has our nodes or our metadata. The import of our domain alone says nothing: ONNX Runtime writes one
  /// into every model that it saves while the operator's library is loaded.
  static func isPatched(_ model: Model) -> Bool {
    model.metadata["isa.version"] != nil || model.metadata[RestoreDelta.key] != nil || hasOperators(model)
  }

  /// True where it runs with the operator's library alone.
  static func hasOperators(_ model: Model) -> Bool { !nodes(of: model).isEmpty }

  /// The nodes of our domain, wherever they stand, in graph order.
  static func nodes(of model: Model) -> [Node] {
    func walk(_ nodes: [Node]) -> [Node] {
      nodes.flatMap { node in
        (node.domain == RewriteNames.domain ? [node] : []) + node.subgraphs.flatMap { walk($0.nodes) }
      }
    }
    return walk(model.graph.nodes) + model.functions.flatMap { walk($0.nodes) }
  }

  /// Site → policies, from the operator's nodes, in graph order.
  static func policies(_ model: Model) -> [(site: String, policy: SitePolicy)] {
    nodes(of: model).compactMap { node in
      guard node.opType == RewriteNames.attention, let policy = policy(node) else { return nil }
      return (node.string("site") ?? node.name, policy)
    }
  }

  private static func policy(_ node: Node) -> SitePolicy? {
    guard let table = PolicyTable.points(of: node) else { return nil }
    let tile = node.ints("tile").flatMap { sizes in
      sizes.count == 3
        ? Grid(frames: Int(clamping: sizes[0]), rows: Int(clamping: sizes[1]), columns: Int(clamping: sizes[2])) : nil
    }
    return SitePolicy(
      blockQ: Int(clamping: node.int("block_q") ?? 64), blockK: Int(clamping: node.int("block_k") ?? 64), tile: tile,
      edges: node.string("edges").flatMap(TileEdges.init) ?? .shared,
      compute: node.string("compute").flatMap(ComputeType.init) ?? .float32, points: table)
  }
}

extension PolicyTable {
  /// As the operator's library reads a node's attributes.
  ///
  /// - Returns: nil where they are none: a tensor that a converter rounded to float16 says nothing.
  static func points(of node: Node) -> [[Policy]]? {
    guard let heads = node.int("num_heads").map({ Int(clamping: $0) }) else { return nil }
    if let list = node.floats(listAttribute) { return points(list, heads: heads) }
    guard let tensor = node.tensor(tensorAttribute), tensor.elementType == ElementType.float32.rawValue,
      tensor.dims.count == 3, tensor.dims[1] == Int64(heads), tensor.dims[2] == Int64(Policy.rowLength)
    else { return nil }
    return tensor.floatValues().flatMap { points($0, heads: heads) }
  }
}
