import AttentionPatterns
import ONNXGraph
import OnnxRuntime
import VideoPipeline

/// Chooses the adapter that a model's graph fits.
enum ModelAdapter {
  /// - Parameters:
  ///   - name: of an adapter, or its file; nil: recognised, if one fits.
  ///   - companions: models that go with this one; nil: those that are found beside it.
  /// - Throws: `ToolError` 78 where the named one is not found or does not fit, or where several fit.
  static func match(
    _ model: Model, named name: String?, companions: Set<Companion>? = nil
  ) throws(ToolError) -> AdapterMatch? {
    let weights = model.graph.initializers.map(\.name)
    let overridable = Set(weights)
    let interface = ModelInterface(
      inputs: model.graph.inputs.filter { !overridable.contains($0.name) }.map(port),
      outputs: model.graph.outputs.map(port), weights: weights,
      companions: companions ?? Set(Companion.allCases.filter { $0.found(beside: model.path) != nil }))
    do throws(AdapterError) {
      let library = try AdapterLibrary.find()
      if let name { return try library.adapter(name).match(interface) }
      return try library.recognise(interface)
    } catch {
      throw ToolError(error.message, .configuration)
    }
  }

  private static func port(_ info: ONNXGraph.ValueInfo) -> ModelInterface.Port {
    ModelInterface.Port(
      name: info.name, type: OnnxRuntime.ElementType(rawValue: info.elementType),
      dims: info.shape.map { shape in
        shape.map { length in
          guard let length else { return .unknown }
          return length.value.map { .fixed(Int(clamping: $0)) } ?? .symbolic(length.description)
        }
      })
  }

  /// The adapter's segments in the graph's terms.
  static func segments(_ match: AdapterMatch) -> GivenSegments? {
    match.graphSegments.map { list in
      GivenSegments(
        list.map { segment in
          SiteSegment(
            kind: segment.kind, length: Dimension(parsing: segment.length),
            grid: segment.grid.map { $0.map { Dimension(parsing: $0) } })
        })
    }
  }
}

extension AdapterMatch {
  /// Lengths of the graph's symbolic dimensions for a clip; empty where the clip does not suit the model. Those that
  /// the clip does not set, as the text's, are left out.
  func bindings(frames: Int, width: Int, height: Int) -> [String: Int64] {
    guard let lengths = try? dimensions(frames: frames, width: width, height: height) else { return [:] }
    let equations = axes.compactMap { name, dim -> (expression: Dimension, length: Int64)? in
      guard case .symbolic(let symbol) = dim, let length = lengths[name] else { return nil }
      return (Dimension(parsing: symbol), Int64(length))
    }
    return Dimension.solve(equations) ?? [:]
  }
}
