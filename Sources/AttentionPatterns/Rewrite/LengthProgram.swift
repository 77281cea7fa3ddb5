import ONNXGraph

/// Computes lengths in the graph from the shapes of its inputs, each part once.
struct LengthProgram {
  /// Nodes in the order of use, for the start of the main graph.
  private(set) var nodes: [NewNode] = []
  private(set) var initializers: [Tensor] = []
  private var made: [Dimension.Expression: String] = [:]
  private var shapes: [String: String] = [:]
  private var constants: [[Int64]: String] = [:]
  /// Name → input and axis that give it, and how: length = factor·name + offset.
  private let sources: [String: Source]
  private let fresh: (String) -> String

  private struct Source {
    var input: String
    var axis: Int
    var factor: Int64
    var offset: Int64
  }

  /// - Parameter fresh: makes a name that the model does not have yet.
  init(_ graph: Graph, fresh: @escaping (String) -> String = { $0 }) {
    let overridable = Set(graph.initializers.map(\.name))
    var sources: [String: Source] = [:]
    for input in graph.inputs where !overridable.contains(input.name) {
      for (axis, length) in (input.shape ?? []).enumerated() {
        guard let affine = length?.affine, affine.factor != 0 else { continue }
        let source = Source(input: input.name, axis: axis, factor: affine.factor, offset: affine.offset)
        // The plainest source wins.
        if let known = sources[affine.name], (known.factor, known.offset) == (1, 0) { continue }
        if sources[affine.name] == nil || (affine.factor, affine.offset) == (1, 0) { sources[affine.name] = source }
      }
    }
    self.sources = sources
    self.fresh = fresh
  }

  /// True where every name in it is a length of an input.
  func canCompute(_ length: Dimension) -> Bool {
    length.isKnown && length.symbols.allSatisfy { sources[$0] != nil }
  }

  /// The name of an int64 tensor [1] that holds a length.
  mutating func value(of length: Dimension) -> String? {
    guard canCompute(length), let expression = length.expression else { return nil }
    return value(expression)
  }

  /// The name of an int64 tensor with the given shape of rows × columns.
  mutating func table(_ rows: [[Dimension]], name: String) -> String? {
    let flat = rows.flatMap { $0 }
    guard let width = rows.first?.count, rows.allSatisfy({ $0.count == width }) else { return nil }
    let numbers = flat.compactMap(\.value)
    if numbers.count == flat.count {
      let name = fresh(name)
      initializers.append(Tensor(name: name, dims: [rows.count, width], int64s: numbers))
      return name
    }
    var parts: [String] = []
    for length in flat {
      guard let part = value(of: length) else { return nil }
      parts.append(part)
    }
    let list = add("Concat", parts, attributes: ["axis": .int(0)])
    let result = fresh(name)
    nodes.append(
      NewNode(
        "Reshape", name: result, inputs: [list, constant([Int64(rows.count), Int64(width)])], outputs: [result]))
    return result
  }

  private mutating func value(_ expression: Dimension.Expression) -> String {
    if let known = made[expression] { return known }
    let result: String
    switch expression {
    case .number(let number): result = constant([number])
    case .symbol(let name): result = length(name)
    case .sum(let parts): result = folded("Add", parts)
    case .product(let parts): result = folded("Mul", parts)
    case .quotient(let a, let b): result = add("Div", [value(a), value(b)])
    case .max(let parts): result = folded("Max", parts)
    case .min(let parts): result = folded("Min", parts)
    }
    made[expression] = result
    return result
  }

  private mutating func folded(_ type: String, _ parts: [Dimension.Expression]) -> String {
    guard let first = parts.first else { return constant([type == "Mul" ? 1 : 0]) }
    var result = value(first)
    for part in parts.dropFirst() { result = add(type, [result, value(part)]) }
    return result
  }

  private mutating func length(_ name: String) -> String {
    guard let source = sources[name] else { return constant([0]) }
    let shape: String
    if let known = shapes[source.input] {
      shape = known
    } else {
      shape = add("Shape", [source.input])
      shapes[source.input] = shape
    }
    var result = add("Gather", [shape, constant([Int64(source.axis)])], attributes: ["axis": .int(0)])
    if source.offset != 0 { result = add("Sub", [result, constant([source.offset])]) }
    if source.factor != 1 { result = add("Div", [result, constant([source.factor])]) }
    return result
  }

  private mutating func constant(_ numbers: [Int64]) -> String {
    if let known = constants[numbers] { return known }
    let name = fresh("isa.number.\(numbers.map(String.init).joined(separator: "x"))")
    initializers.append(Tensor(name: name, int64s: numbers))
    constants[numbers] = name
    return name
  }

  private mutating func add(
    _ type: String, _ inputs: [String], attributes: [String: AttributeValue] = [:]
  ) -> String {
    let name = fresh("isa.length.\(type)")
    nodes.append(NewNode(type, name: name, inputs: inputs, outputs: [name], attributes: attributes))
    return name
  }
}
