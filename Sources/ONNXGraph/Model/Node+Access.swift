extension Node {
  /// What a Constant node holds; nil for strings, sparse tensors and references.
  public var constantValue: Tensor? {
    for (name, value) in attributes {
      switch (name, value) {
      case ("value", .tensor(let tensor)): return tensor
      case ("value_int", .int(let value)): return Tensor(name: "", dims: [], int64s: [value])
      case ("value_ints", .ints(let values)): return Tensor(name: "", int64s: values)
      case ("value_float", .float(let value)): return Tensor(name: "", dims: [], floats: [value])
      case ("value_floats", .floats(let values)): return Tensor(name: "", floats: values)
      default: continue
      }
    }
    return nil
  }

  /// How paths call it: its name, else its first output, else its number.
  public var label: String {
    name.isEmpty ? outputs.first { !$0.isEmpty } ?? "#\(index)" : name
  }

  /// Names that the node's subgraphs read from outside themselves, each once, in order.
  public var capturedNames: [String] {
    var names: [String] = []
    var seen: Set<String> = []
    for graph in subgraphs {
      for name in graph.freeNames where seen.insert(name).inserted { names.append(name) }
    }
    return names
  }

  /// The graphs in its attributes, by attribute name.
  public var subgraphs: [Graph] {
    if attributes.isEmpty { return [] }
    var graphs: [(String, [Graph])] = []
    for (name, value) in attributes {
      switch value {
      case .graph(let graph): graphs.append((name, [graph]))
      case .graphs(let list): graphs.append((name, list))
      default: continue
      }
    }
    return graphs.count > 1 ? graphs.sorted { $0.0 < $1.0 }.flatMap(\.1) : graphs.flatMap(\.1)
  }
}

extension Graph {
  /// Names that the graph reads and does not define.
  public var freeNames: [String] {
    var defined = Set(inputs.map(\.name))
    for tensor in initializers { defined.insert(tensor.name) }
    defined.formUnion(sparseInitializers)
    for node in nodes { defined.formUnion(node.outputs) }
    var names: [String] = []
    var seen: Set<String> = []
    func read(_ name: String) {
      if !name.isEmpty, !defined.contains(name), seen.insert(name).inserted { names.append(name) }
    }
    for node in nodes {
      for name in node.inputs { read(name) }
      for name in node.capturedNames { read(name) }
    }
    for output in outputs { read(output.name) }
    return names
  }
}

extension Node {
  public func int(_ name: String) -> Int64? {
    if case .int(let value)? = attributes[name] { value } else { nil }
  }
  public func float(_ name: String) -> Float? {
    if case .float(let value)? = attributes[name] { value } else { nil }
  }
  public func string(_ name: String) -> String? {
    if case .string(let value)? = attributes[name] { value } else { nil }
  }
  public func ints(_ name: String) -> [Int64]? {
    if case .ints(let values)? = attributes[name] { values } else { nil }
  }
  public func tensor(_ name: String) -> Tensor? {
    if case .tensor(let value)? = attributes[name] { value } else { nil }
  }
  public func floats(_ name: String) -> [Float]? {
    if case .floats(let values)? = attributes[name] { values } else { nil }
  }
  public func strings(_ name: String) -> [String]? {
    if case .strings(let values)? = attributes[name] { values } else { nil }
  }
}
