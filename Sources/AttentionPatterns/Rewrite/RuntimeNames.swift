import ONNXGraph

/// Names that ONNX Runtime's optimisers will give again when the patched model is loaded.
///
/// A model that ONNX Runtime saved has constants under names that its optimisers made, `gemm_input_shape` or
/// `gemm_input_shape_token_3`. Some of them ask whether a node has the name they are about to give, and never whether a
/// constant has it: where a new graph gives them something to do, loading ends with "Attempt to replace the existing
/// tensor", or in older versions the constant is replaced. The original escapes since it was optimised already; the
/// patched model does not, and so its constants of such names get others.
public enum RuntimeNames {
  /// Constants that ONNX Runtime names by asking for a free node name (MatMulAddFusion, GatherToSplitFusion,
  /// GatherSliceToSplitFusion, Conv1dReplacement, MobileClip's attention; 1.17 to 1.32).
  private static let bases: Set<String> = [
    "gemm_input_shape", "gemm_output_shape", "mobileclip_proj_gemm_input_shape", "mobileclip_proj_gemm_output_shape",
    "SqueezeAxesInitializer", "ConstAsInitializer", "squeeze_axes", "fused_Split", "splits",
  ]
  private static let mark = "_token_"
  private static let prefix = "isa.constant."

  /// Other names for a model's constants that have such names; empty for models that ONNX Runtime did not write.
  public static func delta(for model: Model) -> ModelDelta {
    var delta = ModelDelta()
    add(model.graph, renamed: [:], taken: names(of: model.graph), &delta)
    return delta
  }

  private static func isMade(_ name: String, bases: Set<String>) -> Bool {
    bases.contains(name) || base(of: name) != nil
  }

  /// `x` for `x_token_3`.
  private static func base(of name: String) -> String? {
    let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
    let head = name.dropLast(digits)
    return digits > 0 && head.hasSuffix(mark) ? String(head.dropLast(mark.count)) : nil
  }

  private static func names(of graph: Graph) -> Set<String> {
    var names = Set(graph.inputs.map(\.name))
    names.formUnion(graph.initializers.map(\.name))
    for node in graph.nodes {
      names.formUnion(node.outputs)
      for body in node.subgraphs { names.formUnion(self.names(of: body)) }
    }
    return names
  }

  /// - Parameter renamed: constants of the graphs around this one that have other names.
  private static func add(
    _ graph: Graph, renamed outer: [String: String], taken: Set<String>, _ delta: inout ModelDelta
  ) {
    let fixed = Set(graph.inputs.map(\.name)).union(graph.outputs.map(\.name))
    let constants = graph.initializers.filter { !fixed.contains($0.name) }
    let known = bases.union(graph.nodes.flatMap { $0.outputs + [$0.name] }.compactMap(base))
      .union(constants.compactMap { base(of: $0.name) })
    var renamed = outer
    // A name that this graph defines itself hides the outer one's.
    for name in fixed { renamed[name] = nil }
    for tensor in graph.initializers { renamed[tensor.name] = nil }
    for node in graph.nodes { for output in node.outputs { renamed[output] = nil } }
    var change = delta[graph.location]
    for tensor in constants where isMade(tensor.name, bases: known) {
      var name = prefix + tensor.name
      while taken.contains(name) { name += "_" }
      renamed[tensor.name] = name
      var copy = tensor
      copy.name = name
      change.removedInitializers.insert(tensor.name)
      change.addedInitializers.append(copy)
    }
    guard !renamed.isEmpty || graph.nodes.contains(where: { !$0.subgraphs.isEmpty }) else { return }
    for node in graph.nodes {
      for (position, input) in node.inputs.enumerated() {
        if let name = renamed[input] { change.renamedInputs[.init(node: node.index, index: position)] = name }
      }
    }
    if !change.isEmpty { delta[graph.location] = change }
    for node in graph.nodes { for body in node.subgraphs { add(body, renamed: renamed, taken: taken, &delta) } }
  }
}
