import ONNXGraph

/// The name that users know a site by.
enum SiteName {
  /// The module that the exporter recorded: in the metadata (dynamo), or in the node's name (TorchScript); else the
  /// node's name.
  static func name(of nodes: [Node], softmax: Node, path: String) -> String {
    let local =
      scope(softmax) ?? nodes.lazy.compactMap(scope).first ?? pathName(softmax) ?? nodes.lazy.compactMap(pathName).first
      ?? softmax.label
    let place = path.split(whereSeparator: { $0 == "/" || $0 == ">" }).joined(separator: ".")
    return place.isEmpty ? local : "\(place).\(local)"
  }

  /// From `['', 'transformer.blocks.0', 'scaled_dot_product_attention']`: the last but one.
  private static func scope(_ node: Node) -> String? {
    guard let list = node.metadata["pkg.torch.onnx.name_scopes"] else { return nil }
    let parts = list.split(separator: "'", omittingEmptySubsequences: false).enumerated()
      .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
    guard parts.count > 1, let module = parts.dropLast().last, !module.isEmpty else { return nil }
    return module
  }

  /// From `/transformer/blocks.0/attn1/Softmax`: all parts but the operator.
  private static func pathName(_ node: Node) -> String? {
    guard node.name.hasPrefix("/") else { return nil }
    let parts = node.name.split(separator: "/").dropLast()
    return parts.isEmpty ? nil : parts.joined(separator: ".")
  }

  /// Names that are given twice get a number.
  static func unique(_ names: [String]) -> [String] {
    var counts: [String: Int] = [:]
    for name in names { counts[name, default: 0] += 1 }
    var taken: Set<String> = []
    for (name, count) in counts where count == 1 { taken.insert(name) }
    var next: [String: Int] = [:]
    var result: [String] = []
    for name in names {
      if counts[name] == 1 {
        result.append(name)
        continue
      }
      var number = next[name] ?? 0
      while taken.contains("\(name)#\(number)") { number += 1 }
      next[name] = number + 1
      taken.insert("\(name)#\(number)")
      result.append("\(name)#\(number)")
    }
    return result
  }
}
