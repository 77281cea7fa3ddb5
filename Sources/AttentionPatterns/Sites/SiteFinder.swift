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
    let program = LengthProgram(model.graph)
    for (position, view) in views.enumerated() {
      var matcher = view.matcher
      let recognitions = view.graph.nodes.compactMap { recognition(at: $0, view, &matcher) }
      for found in Self.sharedScoresResolved(recognitions) {
        var site = site(found, view)
        classifier.classify(&site, in: position)
        let lengths = (site.segments + site.querySegments).flatMap { [$0.length] + ($0.grid ?? []) }
        if !lengths.allSatisfy(program.canCompute) {
          site.segments = []
          site.querySegments = []
          site.segmentsAreUnsure = true
        }
        sites.append(site)
      }
    }
    let names = SiteName.unique(sites.map(\.name))
    for (position, name) in names.enumerated() { sites[position].name = name }
    return sites
  }

  /// True where a length follows from those of the model's inputs.
  public func canCompute(_ length: Dimension) -> Bool { LengthProgram(model.graph).canCompute(length) }

  private static let products: Set<Pattern.Operator> = [
    .init("MatMul"), .init("Gemm"), .init("Einsum"), .init("FusedMatMul", domain: "com.microsoft"), .init("Mul"),
    .init("Div"),
  ]

  private func recognition(at node: Node, _ view: GraphView, _ matcher: inout Matcher) -> Recognition? {
    if let found = FusedAttention(view: view, node: node).recognised() { return found }
    guard Self.products.contains(.init(of: node)), let output = node.outputs.first else { return nil }
    if var match = matcher.match(DecomposedPattern.pattern, at: output) {
      match.values["output"] = output
      if let found = DecomposedAttention(view: view, match: match).recognised() { return found }
    }
    // Most products are with weights; for these the search would go far.
    guard node.inputs.count == 2, !view.isConstant(node.inputs[1]) else { return nil }
    return matcher.match(TalkingHeads.pattern, at: output)
      .flatMap { TalkingHeads(view: view, match: $0).recognised() }
  }

  /// Sites that read each other's scores, as two softmaxes over both axes of one product do, go where all that reads
  /// the scores can.
  private static func sharedScoresResolved(_ recognitions: [Recognition]) -> [Recognition] {
    guard recognitions.contains(where: { !$0.sharing.isEmpty }) else { return recognitions }
    var result = recognitions
    var changed = true
    while changed {
      changed = false
      for position in result.indices where result[position].reason == nil {
        let others = Set(
          result.indices.filter { $0 != position && result[$0].reason == nil }.flatMap { result[$0].nodes.map(\.index) }
        )
        guard let foreign = result[position].sharing.first(where: { !others.contains($0.user.index) }) else { continue }
        result[position].reason = .scoresUsedElsewhere("\(foreign.user.opType) \(foreign.user.label)")
        result[position].stop = foreign.node
        changed = true
      }
    }
    return result
  }

  private func site(_ found: Recognition, _ view: GraphView) -> Site {
    let attention = found.attention
    var site = Site(
      name: SiteName.name(of: found.nodes, softmax: found.softmax, path: view.graph.path),
      output: found.softmax.outputs.first ?? "", path: view.graph.path, location: view.graph.location, kind: .`self`,
      heads: attention?.heads, keyHeads: attention?.keyHeads, headSize: attention?.headSize, batch: attention?.batch,
      queryLength: attention?.queryLength, keyLength: attention?.keyLength, segments: [], querySegments: [],
      mask: "none", pattern: found.pattern, nodes: found.nodes.sorted { $0.index < $1.index }.map(\.label),
      trail: found.nodes.map { "\($0.opType) \($0.label)" },
      stop: found.stop.map { "\($0.opType) \($0.label)" }, attention: attention, reason: found.reason)
    if let attention {
      if attention.isCausal {
        site.mask = "causal"
      } else if let mask = attention.masks.first {
        site.mask =
          switch mask {
          case .additive: "additive"
          case .hiding(let condition, _): condition.isPerKey ? "keys" : "boolean"
          }
        if site.reason == nil { site.reason = MaskPlan(attention, in: view).refusal.map { .maskNotSupported($0) } }
      }
      if site.reason == nil { site.reason = unfit(attention) }
    }
    return site
  }

  /// Policies are made head by head, and a damaged model may claim any number of them.
  private static let headLimit = 1 << 14

  /// What the operator cannot compute.
  private func unfit(_ attention: Attention) -> KeptReason? {
    if attention.heads > Self.headLimit { return .formNotUnderstood("\(attention.heads) heads") }
    if attention.headSize > 256 { return .headSizeTooLarge(attention.headSize) }
    if attention.keyHeads < 1 || attention.heads % attention.keyHeads != 0 {
      return .formNotUnderstood("\(attention.heads) query heads for \(attention.keyHeads) of keys")
    }
    switch attention.elementType {
    case .float32, .float16, .bfloat16: return nil
    case nil: return .lengthsUnknown("the type it computes in")
    case let type?: return .typeNotSupported("\(type)")
    }
  }
}
