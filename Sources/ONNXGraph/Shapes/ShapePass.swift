/// One walk over a model's nodes in the order of use.
struct ShapePass {
  private let model: Model
  private let functions: [LocalFunction.Key: LocalFunction]
  private let bindings: [String: Dimension]
  /// Names that the inputs give: what other names mean is not known.
  private let inputSymbols: Set<String>
  /// Node visits left. Functions that call functions many times over are not walked without end.
  private var budget: Int

  init(_ model: Model, bindings: [String: Dimension]) {
    self.model = model
    self.bindings = bindings
    functions = Dictionary(model.functions.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    inputSymbols = model.graph.inputs.reduce(into: []) { names, input in
      for length in input.shape ?? [] { names.formUnion(length?.symbols ?? []) }
    }
    budget = 1_000_000 + 4 * model.graph.nodes.count
  }

  mutating func run() -> GraphShapes {
    let inputs = model.graph.inputs.map { declared($0) }
    return run(model.index, inputs: inputs, captured: [:], opsets: model.opsets, depth: 0).shapes
  }

  // MARK: Graphs

  private struct Result {
    let shapes: GraphShapes
    let outputs: [InferredValue]
  }

  private mutating func run(
    _ index: GraphIndex, inputs: [InferredValue], captured: [String: InferredValue], opsets: [String: Int64],
    depth: Int
  ) -> Result {
    var (values, children) = forward(
      index, inputs: inputs, captured: captured, opsets: opsets, depth: depth, hints: [:])
    let hints = depth < Self.hintedDepth ? RankHints(index, values).shapes : [:]
    if !hints.isEmpty {
      (values, children) = forward(
        index, inputs: inputs, captured: captured, opsets: opsets, depth: depth, hints: hints)
    }
    TypeGroups.complete(&values, in: index.graph)
    let outputs = index.graph.outputs.map { values[$0.name] ?? .unknown }
    return Result(shapes: GraphShapes(index: index, children: children, values: values), outputs: outputs)
  }

  /// Graphs that are walked twice where readers tell more: each level doubles the work.
  private static let hintedDepth = 3

  /// - Parameter hints: shapes for values whose makers tell none.
  private mutating func forward(
    _ index: GraphIndex, inputs: [InferredValue], captured: [String: InferredValue], opsets: [String: Int64],
    depth: Int, hints: [String: [Dimension?]]
  ) -> ([String: InferredValue], [GraphShapes]) {
    let graph = index.graph
    var values = captured
    values.reserveCapacity(captured.count + graph.nodes.count + graph.initializers.count)
    for tensor in graph.initializers { values[tensor.name] = InferredValue(tensor) }
    for (input, value) in zip(graph.inputs, inputs) {
      values[input.name] = merge(value, index.declared(input.name).map { declared($0) })
      if values[input.name]?.shape == nil { values[input.name]?.shape = hints[input.name] }
    }
    var children: [GraphShapes] = []
    for position in index.topologicalOrder() ?? [] {
      budget -= 1
      let node = graph.nodes[position]
      let operation = Operation(
        node: node, opset: opsets[node.domain] ?? 0,
        inputs: node.inputs.map { $0.isEmpty ? nil : values[$0] ?? .unknown })
      var outputs: [InferredValue]
      if let function = functions[node.functionKey] {
        outputs = call(function, operation, index, depth, &children)
      } else if node.domain.isEmpty, ["If", "Loop", "Scan"].contains(node.opType) {
        outputs = control(operation, index, values, opsets, depth, &children)
      } else {
        outputs = ShapeRules.outputs(operation)
        for (output, contents) in ContentRules.contents(operation, outputs).enumerated() {
          outputs[output].contents = contents
        }
      }
      for (output, name) in node.outputs.enumerated() where !name.isEmpty {
        let inferred = output < outputs.count ? outputs[output] : .unknown
        values[name] = merge(inferred, index.declared(name).map { declared($0) })
        if values[name]?.shape == nil { values[name]?.shape = hints[name] }
      }
    }
    return (values, children)
  }

  private mutating func call(
    _ function: LocalFunction, _ operation: Operation, _ index: GraphIndex, _ depth: Int,
    _ children: inout [GraphShapes]
  ) -> [InferredValue] {
    guard depth < Model.nestingLimit, budget > 0 else { return [] }
    let body = function.body(calledBy: operation.node, in: index.graph.path)
    let inputs = body.inputs.indices.map { operation.input($0) ?? .unknown }
    let result = run(
      GraphIndex(body), inputs: inputs, captured: [:], opsets: function.opsets.isEmpty ? model.opsets : function.opsets,
      depth: depth + 1)
    children.append(result.shapes)
    return result.outputs
  }

  // MARK: Subgraphs

  private mutating func control(
    _ operation: Operation, _ index: GraphIndex, _ values: [String: InferredValue], _ opsets: [String: Int64],
    _ depth: Int, _ children: inout [GraphShapes]
  ) -> [InferredValue] {
    guard depth < Model.nestingLimit, budget > 0 else { return [] }
    var results: [Result] = []
    for graph in operation.node.subgraphs {
      var captured: [String: InferredValue] = [:]
      for name in graph.freeNames { captured[name] = values[name] }
      let body = GraphIndex(graph, outer: index)
      var inputs = bodyInputs(operation, graph)
      var result = run(body, inputs: inputs, captured: captured, opsets: opsets, depth: depth + 1)
      if operation.node.opType != "If", loosen(&inputs, with: result.outputs, operation) {
        // What changes from one pass to the next is not known; nested loops settle for no lengths at all.
        if depth > 2 { inputs = inputs.map { InferredValue(elementType: $0.elementType) } }
        result = run(body, inputs: inputs, captured: captured, opsets: opsets, depth: depth + 1)
      }
      results.append(result)
    }
    children += results.map(\.shapes)
    if operation.node.opType == "If", let traced = decided(operation) ?? traced(operation, index) {
      return results.indices.contains(traced) ? results[traced].outputs.map { withoutContents($0) } : []
    }
    return bodyOutputs(operation, results.map(\.outputs))
  }

  /// The branch that every run takes, where the question is answered by lengths that are known.
  private func decided(_ operation: Operation) -> Int? {
    guard let truth = operation.contents(0)?.elements.first?.truth,
      case .graph(let taken)? = operation.node.attributes[truth ? "then_branch" : "else_branch"]
    else { return nil }
    return operation.node.subgraphs.firstIndex { $0.path == taken.path }
  }

  /// The branch that an exporter went on with, where it asks whether an axis to be squeezed is 1 long and leaves it
  /// otherwise: all that follows was made for the axis that it saw, which was longer.
  private func traced(_ operation: Operation, _ index: GraphIndex) -> Int? {
    guard operation.contents(0)?.elements.first?.truth == nil,
      let question = operation.node.inputs.first.flatMap({ index.producer(of: $0) }), question.opType == "Equal",
      case .graph(let squeezing)? = operation.node.attributes["then_branch"],
      case .graph(let leaving)? = operation.node.attributes["else_branch"],
      squeezing.nodes.contains(where: { $0.opType == "Squeeze" }),
      leaving.nodes.allSatisfy({ $0.opType == "Identity" })
    else { return nil }
    return operation.node.subgraphs.firstIndex { $0.path == leaving.path }
  }

  private func bodyInputs(_ operation: Operation, _ graph: Graph) -> [InferredValue] {
    switch operation.node.opType {
    case "Loop":
      let carried = operation.inputs.dropFirst(2).map { withoutContents($0 ?? .unknown) }
      return [
        InferredValue(elementType: ShapeRules.int64, shape: []), InferredValue(elementType: ShapeRules.bool, shape: []),
      ]
        + carried
    case "Scan" where operation.opset >= 9:
      let scanned = scanCount(operation)
      let states = operation.inputs.count - scanned
      let axes = operation.node.ints("scan_input_axes") ?? []
      return operation.inputs.enumerated().map { position, value in
        var value = withoutContents(value ?? .unknown)
        guard position >= states, let shape = value.shape else { return value }
        let axis = position - states < axes.count ? axes[position - states] : 0
        value.shape = Operation.axis(axis, rank: shape.count).map { axis in
          shape.enumerated().filter { $0.offset != axis }.map(\.element)
        }
        return value
      }
    default: return []
    }
  }

  private func scanCount(_ operation: Operation) -> Int {
    Int(Swift.max(0, Swift.min(Int64(operation.inputs.count), operation.node.int("num_scan_inputs") ?? 0)))
  }

  private func withoutContents(_ value: InferredValue) -> InferredValue {
    InferredValue(elementType: value.elementType, shape: value.shape)
  }

  /// Takes from a loop's inputs what the body's outputs contradict; true where anything went.
  private func loosen(_ inputs: inout [InferredValue], with outputs: [InferredValue], _ operation: Operation) -> Bool {
    // A loop's body has the condition first, in and out; the count goes in only.
    let (from, to, count) =
      operation.node.opType == "Loop"
      ? (1, 2, inputs.count - 2) : (0, 0, operation.inputs.count - scanCount(operation))
    var changed = false
    // An invalid node may have fewer inputs than its body.
    for position in 0..<Swift.max(0, count) where position + from < outputs.count && position + to < inputs.count {
      let before = inputs[position + to].shape
      let after = common(before, outputs[position + from].shape)
      if after != before {
        inputs[position + to].shape = after
        changed = true
      }
    }
    return changed
  }

  /// What two shapes agree on.
  private func common(_ a: [Dimension?]?, _ b: [Dimension?]?) -> [Dimension?]? {
    guard let a, let b, a.count == b.count else { return nil }
    return zip(a, b).map { $0 == $1 ? $0 : nil }
  }

  private func bodyOutputs(_ operation: Operation, _ bodies: [[InferredValue]]) -> [InferredValue] {
    guard let first = bodies.first else { return [] }
    switch operation.node.opType {
    case "Loop":
      let carried = operation.inputs.count - 2
      let trips = operation.contents(0)?.elements.first?.integer
      return first.dropFirst().enumerated().map { position, value in
        var value = withoutContents(value)
        // The number of passes is the given one only where no condition can end them.
        if position >= carried { value.shape = value.shape.map { [operation.has(1) ? nil : trips] + $0 } }
        return value
      }
    case "Scan" where operation.opset >= 9:
      let scanned = scanCount(operation)
      let states = operation.inputs.count - scanned
      let axes = operation.node.ints("scan_output_axes") ?? []
      let inputAxes = operation.node.ints("scan_input_axes") ?? []
      let source = operation.shape(states)
      let length = source.flatMap { shape in
        Operation.axis(inputAxes.first ?? 0, rank: shape.count).flatMap { shape[$0] }
      }
      return first.enumerated().map { position, value in
        var value = withoutContents(value)
        guard position >= states, var shape = value.shape else { return value }
        let axis = position - states < axes.count ? axes[position - states] : 0
        value.shape = Operation.axis(axis, rank: shape.count + 1).map { axis in
          shape.insert(length, at: axis)
          return shape
        }
        return value
      }
    case "If":
      guard bodies.count == 2, bodies[0].count == bodies[1].count else { return [] }
      return zip(bodies[0], bodies[1]).map { yes, no in
        InferredValue(
          elementType: yes.elementType == no.elementType ? yes.elementType : 0,
          shape: common(yes.shape, no.shape), contents: yes.contents == no.contents ? yes.contents : nil)
      }
    default: return []
    }
  }

  // MARK: Declared types

  private func declared(_ info: ValueInfo) -> InferredValue {
    var shape = info.shape
    if !bindings.isEmpty { shape = shape?.map { $0?.substituting(bindings) } }
    return InferredValue(elementType: info.elementType, shape: shape)
  }

  private func merge(_ inferred: InferredValue, _ declared: InferredValue?) -> InferredValue {
    var inferred = inferred
    if inferred.rank ?? 0 > Model.rankLimit { inferred.shape = nil }
    guard let declared else { return inferred }
    var result = inferred
    if result.elementType == 0 { result.elementType = declared.elementType }
    guard let theirs = declared.shape else { return result }
    guard let ours = inferred.shape, ours.count == theirs.count else {
      // Where both know a rank and disagree, the graph itself is believed.
      if inferred.shape == nil { result.shape = theirs }
      return result
    }
    result.shape = zip(ours, theirs).map { merge($0, $1) }
    return result
  }

  private func merge(_ ours: Dimension?, _ theirs: Dimension?) -> Dimension? {
    guard let theirs else { return ours }
    guard let ours else { return theirs }
    if ours.isConstant { return ours }
    if theirs.isConstant || theirs.symbols.isSubset(of: inputSymbols) { return theirs }
    return ours
  }
}
