import ONNXGraph
import SparseAttention

/// The operator's node for a site, with the few nodes that its inputs and its output need around it.
struct SiteNode {
  let view: GraphView
  let prefix: String
  let fresh: (String) -> String
  private var given: [String: String] = [:]
  private(set) var before: [NewNode] = []
  private(set) var after: [NewNode] = []
  private(set) var initializers: [Tensor] = []

  init(view: GraphView, prefix: String, fresh: @escaping (String) -> String) {
    self.view = view
    self.prefix = prefix
    self.fresh = fresh
  }

  /// Adds the attention's own nodes.
  mutating func add(_ prelude: [NewNode]) {
    for node in prelude {
      var node = node
      node.name = fresh("\(prefix).\(node.opType)")
      node.inputs = node.inputs.map { name($0) }
      node.outputs = node.outputs.map { name($0) }
      before.append(node)
    }
  }

  /// A name of the graph, or what became of one that starts with `%`.
  private mutating func name(_ name: String) -> String {
    guard name.hasPrefix("%") else { return name }
    if let known = given[name] { return known }
    let new = fresh("\(prefix).\(name.dropFirst())")
    given[name] = new
    return new
  }

  mutating func source(_ operand: Attention.Operand) -> String {
    var value = name(operand.value)
    if operand.lacksBatch { value = moved("Unsqueeze", value, into: &before) }
    guard let order = operand.transposition else { return value }
    return add("Transpose", [value], attributes: ["perm": .ints(order.map(Int64.init))])
  }

  /// The name that the operator's output gets.
  mutating func target(_ operand: Attention.Operand) -> String {
    var target = operand.value
    var added: [NewNode] = []
    if operand.lacksBatch {
      let source = fresh("\(prefix).batch")
      _ = moved("Squeeze", source, output: target, into: &added)
      target = source
    }
    if let order = operand.transposition {
      let source = fresh("\(prefix).output")
      added.insert(
        NewNode(
          "Transpose", name: fresh("\(prefix).Transpose"), inputs: [source], outputs: [target],
          attributes: ["perm": .ints(order.map(Int64.init))]), at: 0)
      target = source
    }
    after += added
    return target
  }

  /// Adds or takes away the leading axis.
  private func moved(_ type: String, _ value: String, output: String? = nil, into nodes: inout [NewNode]) -> String {
    let name = fresh("\(prefix).\(type)")
    var node = NewNode(type, name: name, inputs: [value], outputs: [output ?? name])
    if (view.opsets[""] ?? 13) < 13 {
      node.attributes["axes"] = .ints([0])
    } else {
      let axes = fresh("\(prefix).axes")
      nodes.append(
        NewNode(
          "Constant", name: axes, inputs: [], outputs: [axes],
          attributes: ["value": .tensor(Tensor(name: "", int64s: [0]))]))
      node.inputs.append(axes)
    }
    nodes.append(node)
    return node.outputs[0]
  }

  /// A name before a Cast that gives `output` and does nothing but tell the type.
  mutating func typed(_ output: String, _ type: ElementType) -> String {
    let name = fresh("\(prefix).untyped")
    after.insert(
      NewNode(
        "Cast", name: fresh("\(prefix).Cast"), inputs: [name], outputs: [output],
        attributes: ["to": .int(Int64(type.rawValue))]), at: 0)
    return name
  }

  /// The operator's key mask and bias; "" where there is none.
  mutating func masks(_ attention: Attention) -> (mask: String, bias: String) {
    let masks = MaskNodes(view, attention, prefix: prefix, fresh: fresh)
    before += masks.nodes
    return (masks.keyMask, masks.bias)
  }

  /// What the exporter said of the softmax, and what inspecting the patched model cannot see any more.
  static func metadata(_ site: Site, in view: GraphView) -> [String: String] {
    var metadata = view.producer(site.output)?.metadata ?? [:]
    metadata["isa.kind"] = site.kind.rawValue
    metadata["isa.axis"] = site.axis?.rawValue
    return metadata
  }

  static func attributes(_ site: Site, _ attention: Attention, _ policy: SitePolicy) -> [String: AttributeValue] {
    var attributes: [String: AttributeValue] = [
      "num_heads": .int(Int64(attention.heads)), "kv_num_heads": .int(Int64(attention.keyHeads)),
      "scale": .float(Float(attention.scale)), "layout": .string(attention.query.layout.rawValue),
      "key_layout": .string(attention.key.layout.rawValue), "value_layout": .string(attention.value.layout.rawValue),
      "output_layout": .string(attention.output.layout.rawValue), "block_q": .int(Int64(policy.blockQ)),
      "block_k": .int(Int64(policy.blockK)), "compute": .string(policy.compute.rawValue), "site": .string(site.name),
    ]
    if let tile = policy.tile {
      attributes["tile"] = .ints([Int64(tile.frames), Int64(tile.rows), Int64(tile.columns)])
    }
    let keys = site.segments.map(\.kind.rawValue)
    let queries = site.querySegments.map(\.kind.rawValue)
    if !keys.isEmpty {
      attributes["key_segment_kinds"] = .strings(keys)
      attributes["query_segment_kinds"] = .strings(queries)
      attributes["segment_kinds"] = .string("\(queries.joined(separator: ","));\(keys.joined(separator: ","))")
    }
    let rows = policy.points.flatMap { $0.flatMap(\.row) }
    attributes["policies"] = .tensor(
      Tensor(name: "policies", dims: [policy.points.count, attention.heads, Policy.rowLength], floats: rows))
    return attributes
  }

  private mutating func add(
    _ type: String, _ inputs: [String], attributes: [String: AttributeValue] = [:]
  ) -> String {
    let name = fresh("\(prefix).\(type)")
    before.append(NewNode(type, name: name, inputs: inputs, outputs: [name], attributes: attributes))
    return name
  }
}
