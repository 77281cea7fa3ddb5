import GraphRewriting
import ONNXGraph

/// Finds every attention of a model, in the order of its nodes.
public struct SiteFinder: Sendable {
  public let model: Model
  public let inference: ShapeInference
  public let views: [GraphView]

  public init(_ model: Model) {
    self.model = model
    inference = ShapeInference(model)
    var views: [GraphView] = []
    func add(_ shapes: GraphShapes, outer: Set<String>) {
      let function = shapes.graph.location.function.flatMap {
        model.functions.indices.contains($0) ? model.functions[$0].opsets : nil
      }
      let opsets = function.flatMap { $0.isEmpty ? nil : $0 } ?? model.opsets
      let view = GraphView(shapes, opsets: opsets, outerConstants: outer)
      views.append(view)
      for child in shapes.children { add(child, outer: view.constantValues) }
    }
    add(inference.main, outer: [])
    self.views = views
  }

  public func sites() -> [Site] {
    var sites: [Site] = []
    var softmaxes: [Node] = []
    for view in views {
      var matcher = Matcher(view.index) { view.number($0) }
      for node in view.graph.nodes {
        guard let site = site(at: node, view, &matcher) else { continue }
        sites.append(site.0)
        softmaxes.append(site.1)
      }
    }
    let names = SiteName.unique(sites.map(\.name))
    for (position, name) in names.enumerated() { sites[position].name = name }
    return sites
  }

  private static let products: Set<Pattern.Operator> = [
    .init("MatMul"), .init("Gemm"), .init("Einsum"), .init("FusedMatMul", domain: "com.microsoft"),
  ]

  private func site(at node: Node, _ view: GraphView, _ matcher: inout Matcher) -> (Site, Node)? {
    if Self.products.contains(.init(of: node)) {
      guard let output = node.outputs.first, let match = matcher.match(DecomposedPattern.pattern, at: output),
        let softmax = match.nodes["softmax"], let result = DecomposedAttention(view: view, match: match).recognised()
      else { return nil }
      return (site(result, view, softmax, match.used), softmax)
    }
    return nil
  }

  private func site(
    _ result: Result<Attention, DecomposedAttention.Rejection>, _ view: GraphView, _ softmax: Node, _ nodes: [Node]
  ) -> Site {
    var site = Site(
      name: SiteName.name(of: nodes, softmax: softmax, path: view.graph.path), output: softmax.outputs.first ?? "",
      path: view.graph.path, location: view.graph.location, kind: .`self`, segments: [], querySegments: [],
      mask: "none", pattern: "", nodes: nodes.sorted { $0.index < $1.index }.map(\.label))
    switch result {
    case .success(let attention):
      site.attention = attention
      site.heads = attention.heads
      site.keyHeads = attention.keyHeads
      site.headSize = attention.headSize
      site.batch = attention.batch
      site.queryLength = attention.queryLength
      site.keyLength = attention.keyLength
      site.pattern = attention.pattern
      if attention.isCausal {
        site.mask = "causal"
      } else if let mask = attention.masks.first {
        if case .additive = mask { site.mask = "additive" } else { site.mask = "boolean" }
      }
    case .failure(let rejection):
      site.reason = rejection.reason
    }
    return site
  }
}
