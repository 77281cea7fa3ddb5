import ONNXGraph

/// A hash of a model's graph without the values of its weights: the same for fine-tuned siblings.
public enum GraphHash {
  /// SHA-256, in hexadecimal.
  public static func of(_ model: Model) -> String {
    var text: [UInt8] = []
    func put(_ parts: String...) {
      for part in parts {
        text += part.utf8
        text.append(0)
      }
      text.append(10)
    }
    func put(_ nodes: [Node]) {
      for node in nodes {
        put(node.domain, node.opType, node.inputs.joined(separator: "\u{1}"), node.outputs.joined(separator: "\u{1}"))
        for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
          switch value {
          case .int(let number): put(name, "\(number)")
          case .ints(let numbers): put(name, "\(numbers)")
          case .string(let string): put(name, string)
          case .strings(let strings): put(name, strings.joined(separator: "\u{1}"))
          case .float(let number): put(name, "\(number.bitPattern)")
          case .floats(let numbers): put(name, "\(numbers.map(\.bitPattern))")
          case .tensor(let tensor): put(name, "\(tensor.elementType) \(tensor.dims)")
          case .graph(let graph): put(graph)
          case .graphs(let graphs): for graph in graphs { put(graph) }
          case .reference(let other): put(name, "@", other)
          case .other: put(name, "?")
          }
        }
      }
    }
    func put(_ graph: Graph) {
      for value in graph.inputs + graph.outputs {
        let shape = value.shape.map { $0.map { $0?.description ?? "?" }.joined(separator: ",") } ?? "?"
        put(value.name, "\(value.elementType)", shape)
      }
      for tensor in graph.initializers { put(tensor.name, "\(tensor.elementType) \(tensor.dims)") }
      put(graph.nodes)
    }
    put(model.opsets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ","))
    put(model.graph)
    for function in model.functions {
      put(function.domain, function.name)
      put(function.nodes)
    }
    return SHA256.hexadecimal(SHA256.digest(text))
  }
}
