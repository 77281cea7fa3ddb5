import AttentionPatterns
import ONNXGraph
import SparseAttention

/// What a patched model says of itself.
enum PatchedModel {
  static func isPatched(_ model: Model) -> Bool {
    model.metadata["isa.version"] != nil || model.metadata[RestoreDelta.key] != nil
      || model.opsets[RewriteNames.domain] != nil
  }

  /// Site → policies, from the operator's nodes, in graph order.
  static func policies(_ model: Model) -> [(site: String, policy: SitePolicy)] {
    var found: [(site: String, policy: SitePolicy)] = []
    func walk(_ nodes: [Node]) {
      for node in nodes {
        if node.domain == RewriteNames.domain, node.opType == RewriteNames.attention, let policy = policy(node) {
          found.append((node.string("site") ?? node.name, policy))
        }
        for graph in node.subgraphs { walk(graph.nodes) }
      }
    }
    walk(model.graph.nodes)
    for function in model.functions { walk(function.nodes) }
    return found
  }

  private static func policy(_ node: Node) -> SitePolicy? {
    guard let tensor = node.tensor("policies"), tensor.dims.count == 3, tensor.dims[2] == Int64(Policy.rowLength),
      let numbers = tensor.floatValues(), !numbers.isEmpty
    else { return nil }
    // Neither is zero, so that their product bounds both.
    let (points, heads) = (Int(tensor.dims[0]), Int(tensor.dims[1]))
    var table: [[Policy]] = []
    for point in 0..<points {
      var row: [Policy] = []
      for head in 0..<heads {
        let start = (point * heads + head) * Policy.rowLength
        guard let policy = Policy(row: numbers[start..<start + Policy.rowLength]) else { return nil }
        row.append(policy)
      }
      table.append(row)
    }
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
