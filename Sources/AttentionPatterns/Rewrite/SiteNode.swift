import ONNXGraph
import SparseAttention

/// The operator's node for a site, with the few nodes that its inputs and its output need around it.
public struct SiteNode {
  let view: GraphView
  let prefix: String
  let fresh: (String) -> String
  private var given: [String: String] = [:]
  private(set) var before: [NewNode] = []
  private(set) var after: [NewNode] = []

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
    for factor in operand.factors {
      var by = factor.value
      if let type = view.elementType(operand.value), let own = view.elementType(by), type != own {
        by = emit("Cast", [by], attributes: ["to": .int(Int64(type.rawValue))], into: &before)
      }
      value = emit(factor.divides ? "Div" : "Mul", [value, by], into: &before)
    }
    if operand.batchAxes == 0 { value = moved("Unsqueeze", value, into: &before) }
    if let order = operand.transposition {
      value = emit("Transpose", [value], attributes: ["perm": .ints(order.map(Int64.init))], into: &before)
    }
    return operand.batchAxes > 1 ? merged(value, operand) : value
  }

  /// What the operator reads as query, key and value, each for the whole batch.
  mutating func sources(_ attention: Attention) -> [String] {
    let operands = [attention.query, attention.key, attention.value]
    var values = operands.map { source($0) }
    guard let whole = operands.firstIndex(where: { !$0.isRepeatedOverBatch }) else { return values }
    for (position, operand) in operands.enumerated() where operand.isRepeatedOverBatch {
      let batch = part(of: emit("Shape", [values[whole]], into: &before), from: 0, to: 1, into: &before)
      let ones = list(Array(repeating: 1, count: operand.layout == .bse ? 2 : 3), into: &before)
      let shape = emit("Concat", [batch, ones], attributes: ["axis": .int(0)], into: &before)
      values[position] = emit("Expand", [values[position], shape], into: &before)
    }
    return values
  }

  /// A value with its leading axes made one.
  private mutating func merged(_ value: String, _ operand: Attention.Operand) -> String {
    let known = view.shape(operand.value) ?? []
    let dims = operand.transposition.map { order in order.map { known[$0] } } ?? known
    let rest = dims.dropFirst(operand.batchAxes).map { $0?.value }
    let shape: String
    if rest.allSatisfy({ $0 != nil }), !rest.isEmpty {
      shape = list([-1] + rest.compactMap { $0 }, into: &before)
    } else {
      let whole = emit("Shape", [value], into: &before)
      shape = emit(
        "Concat", [list([-1], into: &before), part(of: whole, from: Int64(operand.batchAxes), into: &before)],
        attributes: ["axis": .int(0)], into: &before)
    }
    return emit("Reshape", [value, shape], into: &before)
  }

  /// The name that the operator's output gets.
  ///
  /// - Parameter query: what the operator reads, for the lengths of a batch of several axes.
  mutating func target(_ operand: Attention.Operand, query: Attention.Operand) -> String {
    var target = operand.value
    // From the value back to the operator; each node that is added stands before those already there.
    var chain: [NewNode] = []
    if let order = operand.transposition, operand.batchAxes > 0 {
      chain.insert(
        NewNode(
          "Transpose", name: fresh("\(prefix).Transpose"), inputs: [fresh("\(prefix).output")], outputs: [target],
          attributes: ["perm": .ints(order.map(Int64.init))]), at: 0)
      target = chain[0].inputs[0]
    }
    if operand.batchAxes > 1 {
      let source = fresh("\(prefix).batch")
      var nodes: [NewNode] = []
      let shape = batchShape(source, operand, query, into: &nodes)
      nodes.append(
        NewNode("Reshape", name: fresh("\(prefix).Reshape"), inputs: [source, shape], outputs: [target]))
      chain.insert(contentsOf: nodes, at: 0)
      target = source
    } else if operand.batchAxes == 0 {
      let source = fresh("\(prefix).batch")
      _ = moved("Squeeze", source, output: target, into: &chain)
      target = source
      if let order = operand.transposition {
        let source = fresh("\(prefix).output")
        chain.insert(
          NewNode(
            "Transpose", name: fresh("\(prefix).Transpose"), inputs: [source], outputs: [target],
            attributes: ["perm": .ints(order.map(Int64.init))]), at: 0)
        target = source
      }
    }
    after += chain
    return target
  }

  /// The lengths that an output with a batch of one axis gets.
  private mutating func batchShape(
    _ value: String, _ operand: Attention.Operand, _ query: Attention.Operand, into nodes: inout [NewNode]
  ) -> String {
    let known = view.shape(operand.value) ?? []
    var dims = known.map { $0?.value }
    for (axis, position) in (operand.transposition ?? []).enumerated() { dims[position] = known[axis]?.value }
    if !dims.isEmpty, dims.count(where: { $0 == nil }) < 2 { return list(dims.map { $0 ?? -1 }, into: &nodes) }
    let batch = emit("Shape", [name(query.value)], into: &nodes)
    let rest = emit("Shape", [value], into: &nodes)
    return emit(
      "Concat",
      [
        part(of: batch, from: 0, to: Int64(operand.batchAxes), into: &nodes), part(of: rest, from: 1, into: &nodes),
      ], attributes: ["axis": .int(0)], into: &nodes)
  }

  /// Some of the lengths in a list.
  private func part(
    of shape: String, from start: Int64, to end: Int64 = .max, into nodes: inout [NewNode]
  ) -> String {
    if (view.opsets[""] ?? 13) < 10 {
      return emit("Slice", [shape], attributes: ["starts": .ints([start]), "ends": .ints([end])], into: &nodes)
    }
    return emit("Slice", [shape, list([start], into: &nodes), list([end], into: &nodes)], into: &nodes)
  }

  /// As a node, since functions have no initializers.
  private func list(_ numbers: [Int64], into nodes: inout [NewNode]) -> String {
    emit("Constant", [], attributes: ["value": .tensor(Tensor(name: "", int64s: numbers))], into: &nodes)
  }

  private func emit(
    _ type: String, _ inputs: [String], attributes: [String: AttributeValue] = [:], into nodes: inout [NewNode]
  ) -> String {
    let name = fresh("\(prefix).\(type)")
    nodes.append(NewNode(type, name: name, inputs: inputs, outputs: [name], attributes: attributes))
    return name
  }

  /// Adds or takes away the leading axis.
  private func moved(_ type: String, _ value: String, output: String? = nil, into nodes: inout [NewNode]) -> String {
    let name = fresh("\(prefix).\(type)")
    var node = NewNode(type, name: name, inputs: [value], outputs: [output ?? name])
    if (view.opsets[""] ?? 13) < 13 {
      node.attributes["axes"] = .ints([0])
    } else {
      node.inputs.append(list([0], into: &nodes))
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
  mutating func masks(_ attention: Attention, _ plan: MaskPlan) -> (mask: String, bias: String) {
    let masks = MaskNodes(view, attention, plan, prefix: prefix, fresh: fresh)
    before += masks.nodes
    return (masks.keyMask, masks.bias)
  }

  /// What the exporter said of the softmax, and what inspecting the patched model cannot see any more.
  static func metadata(_ site: Site, in view: GraphView) -> [String: String] {
    var metadata = view.producer(site.output)?.metadata ?? [:]
    metadata[RewriteNames.kind] = site.kind.rawValue
    metadata[RewriteNames.axis] = site.axis?.rawValue
    return metadata
  }

  static func attributes(
    _ site: Site, _ attention: Attention, _ masks: MaskPlan, _ policy: SitePolicy
  ) -> [String: AttributeValue] {
    var attributes: [String: AttributeValue] = [
      "num_heads": .int(Int64(attention.heads)), "kv_num_heads": .int(Int64(attention.keyHeads)),
      "scale": .float(Float(attention.scale)), "layout": .string(attention.query.layout.rawValue),
      "key_layout": .string(attention.key.layout.rawValue), "value_layout": .string(attention.value.layout.rawValue),
      "output_layout": .string(attention.output.layout.rawValue), "block_q": .int(Int64(policy.blockQ)),
      "block_k": .int(Int64(policy.blockK)), "compute": .string(policy.compute.rawValue), "site": .string(site.name),
    ]
    if let tile = policy.tile {
      attributes["tile"] = .ints([Int64(tile.frames), Int64(tile.rows), Int64(tile.columns)])
      if policy.edges != .shared { attributes["edges"] = .string(policy.edges.rawValue) }
    }
    switch masks.maskedKeys {
    case .absent: break
    case .scored(let score): attributes["masked_score"] = .float(score * Float(attention.maskScale))
    case .biased(let bias): attributes["masked_bias"] = .float(bias)
    }
    if masks.hasBias || masks.maskedKeys.isBiased, attention.maskScale != 1 {
      attributes["bias_scale"] = .float(Float(attention.maskScale))
    }
    if masks.biasFirst { attributes["bias_first"] = .int(1) }
    if let least = masks.replacingBias { attributes["replacing_bias"] = .float(least) }
    if masks.emptyRows != .zero { attributes["empty_rows"] = .string(masks.emptyRows.rawValue) }
    let keys = site.segments.map(\.kind.rawValue)
    let queries = site.querySegments.map(\.kind.rawValue)
    if !keys.isEmpty {
      attributes["key_segment_kinds"] = .strings(keys)
      attributes["query_segment_kinds"] = .strings(queries)
      attributes["segment_kinds"] = .string("\(queries.joined(separator: ","));\(keys.joined(separator: ","))")
    }
    attributes.merge(Self.attributes(policy.points)) { _, new in new }
    return attributes
  }

  /// The policies, as a tensor and as the list that converters leave alone.
  ///
  /// - Parameter points: [points][heads].
  public static func attributes(_ points: [[Policy]]) -> [String: AttributeValue] {
    let rows = PolicyTable.rows(points)
    return [
      PolicyTable.tensorAttribute: .tensor(
        Tensor(
          name: PolicyTable.tensorAttribute, dims: [points.count, points.first?.count ?? 0, Policy.rowLength],
          floats: rows)),
      PolicyTable.listAttribute: .floats(rows),
    ]
  }
}
