import GraphRewriting
import ONNXGraph

/// Finds every attention of a model, in the order of its nodes.
public struct SiteFinder: Sendable {
  public let model: Model
  public let inference: ShapeInference
  public let views: [GraphView]
  private let scopes: [AxisTracer.Scope]

  public init(_ model: Model) {
    self.model = model
    inference = ShapeInference(model)
    var scopes: [AxisTracer.Scope] = []
    func add(_ shapes: GraphShapes, parent: Int?, caller: Node?) {
      let function = shapes.graph.location.function.flatMap {
        model.functions.indices.contains($0) ? model.functions[$0].opsets : nil
      }
      let opsets = function.flatMap { $0.isEmpty ? nil : $0 } ?? model.opsets
      let isFunction = shapes.graph.location.function != nil && shapes.graph.location.steps.isEmpty
      let outer = parent.flatMap { isFunction ? nil : scopes[$0].view.constantValues } ?? []
      let view = GraphView(shapes, opsets: opsets, outerConstants: outer)
      let position = scopes.count
      scopes.append(AxisTracer.Scope(view: view, parent: parent, caller: caller))
      guard !shapes.children.isEmpty else { return }
      var callers: [String: Node] = [:]
      for node in view.graph.nodes {
        callers["\(view.graph.path)\(node.label)>\(node.opType)/"] = node
        for subgraph in node.subgraphs { callers[subgraph.path] = node }
      }
      for child in shapes.children { add(child, parent: position, caller: callers[child.path]) }
    }
    add(inference.main, parent: nil, caller: nil)
    self.scopes = scopes
    views = scopes.map(\.view)
  }

  public func sites() -> [Site] {
    var sites: [Site] = []
    let classifier = SiteClassifier(model, scopes)
    for (position, view) in views.enumerated() {
      var matcher = Matcher(view.index) { view.number($0) }
      for node in view.graph.nodes {
        guard var site = site(at: node, view, &matcher) else { continue }
        classifier.classify(&site, in: position)
        sites.append(site)
      }
    }
    let names = SiteName.unique(sites.map(\.name))
    for (position, name) in names.enumerated() { sites[position].name = name }
    return sites
  }

  private static let products: Set<Pattern.Operator> = [
    .init("MatMul"), .init("Gemm"), .init("Einsum"), .init("FusedMatMul", domain: "com.microsoft"),
  ]

  private func site(at node: Node, _ view: GraphView, _ matcher: inout Matcher) -> Site? {
    if Self.products.contains(.init(of: node)) {
      guard let output = node.outputs.first, let match = matcher.match(DecomposedPattern.pattern, at: output),
        let softmax = match.nodes["softmax"], let result = DecomposedAttention(view: view, match: match).recognised()
      else { return nil }
      return site(result, view, softmax, match.used)
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
