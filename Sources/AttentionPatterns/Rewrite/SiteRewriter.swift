import GraphRewriting
import ONNXGraph
import SparseAttention

/// Replaces sites by the operator's nodes, as a delta over the model.
public struct SiteRewriter {
  private let finder: SiteFinder
  private let statistics: Bool
  private let withBody: Bool
  private var delta = ModelDelta()
  private var names: Set<String>
  private var program: LengthProgram
  /// Segments → name of their tensor.
  private var tables: [[SiteSegment]: String?] = [:]
  private var replaced: [GraphLocation: (removed: Set<Int>, read: Set<String>)] = [:]
  private var hasPoint = false
  private let counter = Counter()

  /// Makes names that the model does not have.
  private final class Counter {
    var names: Set<String> = []
    func fresh(_ wish: String) -> String {
      var name = wish
      var number = 1
      while !names.insert(name).inserted {
        number += 1
        name = "\(wish).\(number)"
      }
      return name
    }
  }

  public init(_ finder: SiteFinder, statistics: Bool, withBody: Bool = false) {
    self.finder = finder
    self.withBody = withBody
    self.statistics = statistics
    var names: Set<String> = []
    for view in finder.views {
      for node in view.graph.nodes {
        names.formUnion(node.outputs)
        names.insert(node.name)
      }
      for tensor in view.graph.initializers { names.insert(tensor.name) }
      for input in view.graph.inputs { names.insert(input.name) }
    }
    self.names = names
    counter.names = names
    program = LengthProgram(finder.model.graph) { [counter] in counter.fresh($0) }
  }

  /// - Parameter withBody: the nodes also say what `StandardBody` refers to.
  /// - Returns: the delta that gives the sites with a treatment, by name, their nodes.
  public static func delta(
    _ finder: SiteFinder, sites: [Site], treatments: [String: Treatment], statistics: Bool, withBody: Bool = false
  ) -> ModelDelta {
    var rewriter = SiteRewriter(finder, statistics: statistics, withBody: withBody)
    var done: Set<String> = []
    for site in sites {
      guard let treatment = treatments[site.name], let attention = site.attention,
        let view = finder.views.first(where: { $0.graph.path == site.path }),
        // One body of a function stands for every call.
        done.insert("\(site.location) \(site.output)").inserted
      else { continue }
      rewriter.replace(site, attention, by: treatment, in: view)
    }
    return rewriter.finished()
  }

  private mutating func replace(_ site: Site, _ attention: Attention, by treatment: Treatment, in view: GraphView) {
    guard let last = view.producer(attention.output.value) else { return }
    var node = SiteNode(view: view, prefix: "isa.\(site.name)", fresh: { [counter] in counter.fresh($0) })
    let isMain = site.location == .main
    node.add(attention.prelude)
    var inputs = node.sources(attention)
    let masks = MaskPlan(attention, in: view)
    let (mask, bias) = node.masks(attention, masks)
    inputs += [mask, bias]
    let segments = isMain || site.location.function == nil ? segments(of: site) : ("", "")
    inputs += [segments.0, segments.1]
    let policy = treatment.policy
    if case .attention = treatment, policy.points.count > 1 {
      hasPoint = true
      inputs.append(RewriteNames.point)
    }
    while inputs.last == "" { inputs.removeLast() }
    var outputs = [node.target(attention.output, query: attention.query)]
    if site.location.function != nil, let type = attention.elementType {
      // ONNX Runtime infers the types of a function's body without the operator library.
      outputs = [node.typed(outputs[0], type)]
    } else if let type = attention.elementType, view.index.declared(outputs[0])?.elementType ?? 0 == 0 {
      // Up to 1.17 it infers none for operators of libraries that take several types.
      delta[site.location].addedValueInfo.append(
        ValueInfo(name: outputs[0], elementType: type.rawValue, shape: nil))
    }
    let measures: Bool
    if case .probe = treatment { measures = true } else { measures = statistics }
    if measures, isMain {
      let name = RewriteNames.statisticsPrefix + site.name
      outputs.append(name)
      let shape: [Dimension?] =
        if case .probe = treatment {
          [nil, Dimension(attention.heads), Dimension(policy.points.count), 3]
        } else {
          [nil, Dimension(attention.heads), 4]
        }
      delta[.main].addedOutputs.append(ValueInfo(name: name, elementType: ElementType.float32.rawValue, shape: shape))
    }
    var attributes = SiteNode.attributes(site, attention, masks, policy)
    if withBody { attributes.merge(StandardBody.attributes(attention, masks)) { own, _ in own } }
    if segments.0.isEmpty, segments.1.isEmpty {
      for key in ["query_segment_kinds", "key_segment_kinds", "segment_kinds"] { attributes[key] = nil }
    }
    var type = RewriteNames.attention
    if case .probe(_, let sample) = treatment {
      type = RewriteNames.probe
      attributes["sample"] = .int(Int64(sample))
    }
    let new = NewNode(
      type, domain: RewriteNames.domain, name: counter.fresh("isa.\(site.name)"), inputs: inputs, outputs: outputs,
      attributes: attributes, metadata: SiteNode.metadata(site, in: view))
    let added = node.before + [new] + node.after
    delta[site.location].insert(added, before: last.index)
    var entry = replaced[site.location] ?? ([], [])
    entry.removed.insert(last.index)
    entry.read.formUnion(added.flatMap(\.inputs))
    replaced[site.location] = entry
  }

  /// Names of the tensors with the queries' and the keys' segments; "" where they are left out.
  private mutating func segments(of site: Site) -> (String, String) {
    guard !site.segments.isEmpty, let keys = table(site.segments) else { return ("", "") }
    if site.querySegments == site.segments { return (keys, keys) }
    guard !site.querySegments.isEmpty, let queries = table(site.querySegments) else { return ("", "") }
    return (queries, keys)
  }

  private mutating func table(_ segments: [SiteSegment]) -> String? {
    if let known = tables[segments] { return known }
    let rows = segments.map { segment in [segment.length] + (segment.grid ?? [0, 0, 0]) }
    let name = program.table(rows, name: "isa.segments")
    tables[segments] = name
    return name
  }

  private mutating func finished() -> ModelDelta {
    for (location, change) in replaced {
      guard let view = finder.views.first(where: { $0.graph.location == location }) else { continue }
      let dead = DeadNodes.closure(removing: change.removed, read: change.read, in: view.index)
      delta[location].removedNodes = dead
      if location.function == nil {
        delta[location].removedInitializers = DeadNodes.initializers(
          removing: dead, read: change.read, in: view.index)
      }
    }
    guard !replaced.isEmpty else { return delta }
    delta[.main].insert(program.nodes, before: 0)
    delta[.main].addedInitializers += program.initializers
    if hasPoint {
      delta[.main].addedInputs.append(
        ValueInfo(name: RewriteNames.point, elementType: ElementType.int64.rawValue, shape: []))
      delta[.main].addedInitializers.append(Tensor(name: RewriteNames.point, dims: [], int64s: [0]))
    }
    delta.opsets[RewriteNames.domain] = RewriteNames.version
    return delta
  }
}
