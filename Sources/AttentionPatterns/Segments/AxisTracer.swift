import GraphRewriting
import ONNXGraph

/// Follows axes upstream to the model's inputs, through every graph of the model: each axis of each value once.
final class AxisTracer {
  private struct Key: Hashable {
    var graph: Int
    var value: String
    var axis: Int
  }

  /// How the values of a graph come from the one around it.
  struct Scope: Sendable {
    var view: GraphView
    /// Index of the graph around this one, and the node there.
    var parent: Int?
    var caller: Node?
  }

  private let scopes: [Scope]
  private let overridable: Set<String>
  private var known: [Key: AxisContent] = [:]
  private var missing: [Key] = []
  /// Path → index of its graph.
  private let paths: [String: Int]

  init(_ scopes: [Scope], overridable: Set<String>) {
    self.scopes = scopes
    self.overridable = overridable
    paths = Dictionary(
      scopes.enumerated().map { ($1.view.graph.path, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What stands along an axis of a value of a graph.
  func content(of value: String, axis: Int, in graph: Int) -> AxisContent {
    let goal = Key(graph: graph, value: value, axis: axis)
    var stack = [goal]
    while let key = stack.last {
      if known[key] != nil {
        stack.removeLast()
        continue
      }
      missing = []
      let content = evaluate(key)
      if missing.isEmpty {
        known[key] = content.bounded(length(key)).fitted(to: length(key))
        stack.removeLast()
      } else {
        // Graphs have no circles, so that what is missing gets known first.
        stack += missing
      }
    }
    return known[goal] ?? .opaque(nil)
  }

  private func get(_ value: String, _ axis: Int, _ graph: Int) -> AxisContent {
    let key = Key(graph: graph, value: value, axis: axis)
    if let content = known[key] { return content }
    missing.append(key)
    return .opaque(nil)
  }

  private func length(_ key: Key) -> Dimension? {
    scopes[key.graph].view.shape(key.value).flatMap { $0.indices.contains(key.axis) ? $0[key.axis] : nil }
  }

  private func evaluate(_ key: Key) -> AxisContent {
    let scope = scopes[key.graph]
    let view = scope.view
    if view.isConstant(key.value) { return .opaque(length(key)) }
    if let node = view.producer(key.value) {
      guard view.shape(key.value).map({ $0.indices.contains(key.axis) }) ?? true else { return .opaque(nil) }
      if let (name, body) = inside(node, key.value, view) { return get(name, key.axis, body) }
      return AxisRules(
        view: view, node: node, key: (key.value, key.axis), get: { self.get($0, $1, key.graph) },
        regrouping: { self.regrouping(node, view) }
      ).content() ?? .opaque(length(key))
    }
    if let parent = scope.parent, let caller = scope.caller {
      if view.index.isInput(key.value), let position = view.graph.inputs.firstIndex(where: { $0.name == key.value }) {
        return outer(position, key, scope, parent, caller)
      }
      if !view.index.defines(key.value), view.graph.location.function == nil || !view.graph.location.steps.isEmpty {
        return get(key.value, key.axis, parent)
      }
      return .opaque(length(key))
    }
    guard view.index.isInput(key.value), !overridable.contains(key.value) else { return .opaque(length(key)) }
    let origin = AxisOrigin(input: key.value, axis: key.axis)
    return AxisContent(pieces: [AxisPiece(factors: [AxisFactor(length: length(key), origins: [origin])])])
  }

  /// The value of a called function's body, or of a branch, that a node's output is.
  private func inside(_ node: Node, _ value: String, _ view: GraphView) -> (String, Int)? {
    guard let position = node.outputs.firstIndex(of: value) else { return nil }
    var path = "\(view.graph.path)\(node.label)>\(node.opType)/"
    if node.opType == "If", node.domain.isEmpty {
      // Where branches differ in rank, the one that the rest of the graph was made for.
      let rank = view.shape(value)?.count
      let branch = node.subgraphs.first { graph in
        guard let body = paths[graph.path], graph.outputs.indices.contains(position) else { return false }
        return scopes[body].view.shape(graph.outputs[position].name)?.count == rank
      }
      path = (branch ?? node.subgraphs.first)?.path ?? path
    }
    guard let body = paths[path] else { return nil }
    let outputs = scopes[body].view.graph.outputs
    return outputs.indices.contains(position) ? (outputs[position].name, body) : nil
  }

  /// A body's input in the graph around it.
  private func outer(_ position: Int, _ key: Key, _ scope: Scope, _ parent: Int, _ caller: Node) -> AxisContent {
    guard caller.inputs.indices.contains(position), !caller.inputs[position].isEmpty else {
      return .opaque(length(key))
    }
    var axis = key.axis
    if caller.opType == "Scan", caller.domain.isEmpty {
      let scanned = Int(clamping: caller.int("num_scan_inputs") ?? 0)
      if position >= caller.inputs.count - scanned {
        let index = position - (caller.inputs.count - scanned)
        let axes = caller.ints("scan_input_axes") ?? []
        let removed = axes.indices.contains(index) ? Int(clamping: axes[index]) : 0
        if axis >= removed { axis += 1 }
      }
    }
    return get(caller.inputs[position], axis, parent)
  }

  /// How a node that only regroups maps axes.
  private func regrouping(_ node: Node, _ view: GraphView) -> Regrouping? {
    guard let source = node.inputs.first, let target = node.outputs.first, let from = view.shape(source),
      let to = view.shape(target)
    else { return nil }
    var table = AtomTable()
    let layout = AxisLayout.fresh(from, &table)
    guard let result = table.regrouped(layout, into: to) else { return nil }
    var owner: [Atom: (axis: Int, part: Int)] = [:]
    var parts: [[Dimension?]] = []
    for (axis, atoms) in layout.axes.enumerated() {
      let resolved = table.resolved(atoms)
      for (part, atom) in resolved.enumerated() { owner[atom] = (axis, part) }
      parts.append(resolved.map { table.length($0) })
    }
    return Regrouping(parts: parts, axes: result.axes.map { $0.compactMap { owner[$0] } })
  }
}

/// How a reshape maps axes: each input axis is cut into parts, and each output axis is some of them.
struct Regrouping {
  /// Input axis → lengths of its parts.
  var parts: [[Dimension?]]
  /// Output axis → parts, slowest first.
  var axes: [[(axis: Int, part: Int)]]
}
