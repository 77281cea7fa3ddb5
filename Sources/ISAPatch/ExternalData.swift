import Foundation
import ONNXGraph

/// What becomes of weights that stand in files of their own.
public enum ExternalDataPolicy: String, CaseIterable, Sendable {
  /// They stay where they are: the patched model has to be written beside the original.
  case keep
  /// They are copied beside the patched model.
  case copy
  /// They get a hard link beside the patched model.
  case link
}

enum ExternalData {
  /// Locations of a model's external data, each once.
  static func locations(_ model: Model) -> [String] {
    var names: Set<String> = []
    func note(_ tensor: Tensor) {
      if let external = tensor.external { names.insert(external.location) }
    }
    func walk(_ nodes: [Node]) {
      for node in nodes {
        for case .tensor(let tensor) in node.attributes.values { note(tensor) }
        for graph in node.subgraphs {
          graph.initializers.forEach(note)
          walk(graph.nodes)
        }
      }
    }
    model.graph.initializers.forEach(note)
    walk(model.graph.nodes)
    for function in model.functions { walk(function.nodes) }
    return names.sorted()
  }

  /// Makes the data reachable from the output's folder, since ONNX Runtime reads none outside of it.
  ///
  /// - Throws: `ToolError` 64 where it would have to move and must not, 73 or 74 where it cannot be written.
  static func provide(_ model: Model, for output: String, by policy: ExternalDataPolicy) throws(ToolError) {
    let source = URL(fileURLWithPath: model.path).deletingLastPathComponent().resolvingSymlinksInPath()
    let target = URL(fileURLWithPath: output).deletingLastPathComponent().resolvingSymlinksInPath()
    guard source.path != target.path else { return }
    for location in locations(model) {
      let (from, to) = (source.appendingPathComponent(location), target.appendingPathComponent(location))
      switch policy {
      case .keep:
        throw ToolError(
          "\(output) would not find the weights in \(location), which stay in the original's folder; write beside the "
            + "original, or use --external-data copy.", .usage)
      case .copy, .link:
        do {
          try FileManager.default.createDirectory(
            at: to.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
          throw ToolError.cannotWrite(to.path, error.localizedDescription)
        }
        let temporary = AtomicFile.temporaryPath(for: to.path)
        do {
          if policy == .copy {
            try FileManager.default.copyItem(atPath: from.path, toPath: temporary)
          } else {
            try FileManager.default.linkItem(atPath: from.path, toPath: temporary)
          }
        } catch {
          AtomicFile.discard(temporary)
          throw ToolError.cannotWrite(to.path, error.localizedDescription)
        }
        try AtomicFile.commit(temporary, to: to.path)
      }
    }
  }
}
