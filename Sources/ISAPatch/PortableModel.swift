import AttentionPatterns
import ONNXGraph

/// A patched model that tools without the operator's library read too: the operator stands in it as a function.
enum PortableModel {
  /// What is appended to a patched model's bytes.
  ///
  /// - Throws: `ToolError` 65 where the model is older than functions are, or its sites have different inputs.
  static func body(for bytes: [UInt8], path: String) throws(ToolError) -> [UInt8] {
    let model: Model
    do throws(ModelError) { model = try Model.load(bytes: bytes, path: path) } catch { throw ToolError(error) }
    let (ir, opset) = (model.irVersion, model.opsets[""] ?? 0)
    let least = StandardBody.leastVersions
    guard ir >= least.ir, opset >= least.opset else {
      throw ToolError(
        "\(path) is of IR \(ir) and opset \(opset), and --portable needs \(least.ir) and \(least.opset); export it again "
          + "or leave --portable out.", .dataError)
    }
    let nodes = PatchedModel.nodes(of: model).filter { $0.opType == RewriteNames.attention }
    let inputs = Set(nodes.map { StandardBody.Inputs(of: $0) })
    guard inputs.count == 1, let all = inputs.first else {
      throw ToolError(
        "The sites of \(path) differ in masks, which one function cannot stand for; leave --portable out, or choose sites "
          + "that are alike with --only.", .dataError)
    }
    return StandardBody.field(all, count: nodes.map(\.inputs.count).max() ?? 0, opset: opset)
  }
}
