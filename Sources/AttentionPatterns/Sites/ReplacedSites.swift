import ONNXGraph
import SparseAttention

extension SiteFinder {
  /// The sites that a patched model's own nodes tell, in graph order: for files that other tools wrote since, which
  /// lead back to no original.
  ///
  /// - Returns: each with the name that its node has; where calls of a function were written out, several have one.
  public func replacedSites() -> [(node: String, site: Site)] {
    var sites = views.flatMap { view in
      view.graph.nodes.filter { $0.domain == RewriteNames.domain && $0.opType == RewriteNames.attention }
        .map { replacedSite($0, view) }
    }
    let names = sites.map(\.name)
    for (position, name) in SiteName.unique(names).enumerated() { sites[position].name = name }
    return Array(zip(names, sites))
  }

  private func replacedSite(_ node: Node, _ view: GraphView) -> Site {
    let heads = node.int("num_heads").map { Int(clamping: $0) }
    let keyHeads = node.int("kv_num_heads").map { Int(clamping: $0) } ?? heads
    let query = lengths(node, input: 0, layout: "layout", heads: heads, view)
    let key = lengths(node, input: 1, layout: "key_layout", heads: keyHeads, view)
    var site = Site(
      name: node.string("site") ?? node.label, output: node.outputs.first ?? "", path: view.graph.path,
      location: view.graph.location, kind: .`self`, heads: heads, keyHeads: keyHeads,
      headSize: (query.size ?? key.size)?.value.map { Int(clamping: $0) }, queryLength: query.tokens,
      keyLength: key.tokens, segments: [], querySegments: [], mask: "none", pattern: RewriteNames.attention,
      nodes: [node.label], trail: ["\(node.opType) \(node.label)"])
    if let kind = node.metadata[RewriteNames.kind].flatMap(Site.Kind.init) {
      site.kind = kind
    } else if let tokens = query.tokens, let others = key.tokens, tokens != others {
      // Not every tool keeps a node's metadata.
      site.kind = .cross
    }
    site.axis = node.metadata[RewriteNames.axis].flatMap(Site.Axis.init)
    if node.inputs.count > 3, !node.inputs[3].isEmpty { site.mask = "keys" }
    if node.inputs.count > 4, !node.inputs[4].isEmpty { site.mask = "additive" }
    site.querySegments = segments(node, input: 5, kinds: "query_segment_kinds", view)
    site.segments = segments(node, input: 6, kinds: "key_segment_kinds", view)
    return site
  }

  private func lengths(
    _ node: Node, input: Int, layout: String, heads: Int?, _ view: GraphView
  ) -> (tokens: Dimension?, size: Dimension?) {
    let text = node.string(layout) ?? node.string("layout") ?? TensorLayout.bhsd.rawValue
    guard node.inputs.indices.contains(input), let shape = view.shape(node.inputs[input]),
      let layout = TensorLayout(rawValue: text), shape.count == (layout == .bse ? 3 : 4)
    else { return (nil, nil) }
    switch layout {
    case .bhsd: return (shape[2], shape[3])
    case .bshd: return (shape[1], shape[3])
    case .bse:
      let size = heads.flatMap { $0 > 0 ? shape[2]?.exactlyDivided(by: Dimension($0)) : nil }
      return (shape[1], size)
    }
  }

  /// Rows of length, frames, rows, columns, as far as the graph tells them.
  private func segments(_ node: Node, input: Int, kinds: String, _ view: GraphView) -> [SiteSegment] {
    guard node.inputs.indices.contains(input), let rows = view.shapes.integers(of: node.inputs[input]),
      rows.count % 4 == 0
    else { return [] }
    let kinds = node.strings(kinds)?.compactMap(SegmentKind.init) ?? []
    guard kinds.count == rows.count / 4 else { return [] }
    var segments: [SiteSegment] = []
    for (number, kind) in kinds.enumerated() {
      let row = Array(rows[4 * number..<4 * number + 4])
      guard let length = row[0] else { return [] }
      let grid = row.dropFirst().compactMap { $0 }
      segments.append(
        SiteSegment(kind: kind, length: length, grid: grid.count == 3 && grid.allSatisfy { $0 != 0 } ? grid : nil))
    }
    return segments
  }
}
