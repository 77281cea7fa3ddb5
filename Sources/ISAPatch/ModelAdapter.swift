import AttentionPatterns
import ONNXGraph
import OnnxRuntime
import VideoPipeline

/// Chooses the adapter that a model's graph fits.
enum ModelAdapter {
  /// - Parameter name: of an adapter, or its file; nil: recognised, if one fits.
  /// - Throws: `ToolError` 78 where the named one is not found or does not fit, or where several fit.
  static func match(_ model: Model, named name: String?) throws(ToolError) -> AdapterMatch? {
    let overridable = Set(model.graph.initializers.map(\.name))
    let interface = ModelInterface(
      inputs: model.graph.inputs.filter { !overridable.contains($0.name) }.map(port),
      outputs: model.graph.outputs.map(port))
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
